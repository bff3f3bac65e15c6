"""The field rules of the contract, checked by the server and by Buf's own protovalidate: on generated requests of every
rpc both refuse the same ones, for the same fields. Requests are seeded, and lie at the edges of the rules.
"""

import random

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor
from protovalidate import Validator

from contract import SERVICES, Contract, Refusal, full_name
from person import Person

REQUESTS_PER_RPC = 120
# A larger message is refused before it is read.
LARGEST_MESSAGE = 64 * 1024 - 1024
# Fields that a use case reads further than their rules, and refuses under the same reason.
READ_FURTHER = {"client_assertion", "client_assertion_type", "client_secret", "code", "code_verifier", "id_token_hint", "post_logout_redirect_uri", "proof.id_token", "expected_email", "metadata.client_uri", "metadata.grant_types", "metadata.id_token_signed_response_alg", "metadata.require_pkce", "metadata.jwks", "metadata.jwks_uri", "metadata.logo_uri", "metadata.policy_uri", "metadata.post_logout_redirect_uris", "metadata.redirect_uris", "metadata.response_types", "metadata.token_endpoint_auth_method", "metadata.tos_uri", "redirect_uri", "resources", "scope", "api_key.expire_time", "client_id", "email", "filter", "new_password", "organization", "organization.plan", "page_token", "password", "request_id", "session_client_id"}
# One less than a rule's limit, the limit, and one more.
LENGTHS = [0, 0, 1, 1, 2, *(limit + off for limit in (8, 32, 64, 100, 128, 200, 254, 256, 300, 512, 1024) for off in (-1, 0, 1))]
ALPHABETS = ["a", "aZ09_-", "é", "\U0001f512", "aé\U0001f512", " a", "a.@", "/a", "!~"]
# The first and the last control characters, their neighbours, and what a `$` could let through.
SPICES = ["\x00", "\x1f", "\x20", "\x7e", "\x7f", "\x80", "\x9f", "\xa0", "\n", "\u2028", "\ufeff", "/", "@", "%", ":"]
RESOURCES = ["accounts/", "apiKeys/", "authorizations/", "clients/", "consents/", "grants/", "identityProviders/", "linkedIdentities/", "organizations/", "sessions/"]
COLLECTIONS = [*RESOURCES, "", "accounts", "Accounts/"]
VALID = {
    "email": ["somebody@example.com", "s@x.y", "ü@exämple.com"],
    "password": ["a long enough secret"],
    "new_password": ["another long enough secret"],
    "current_password": ["a long enough secret"],
    "method": ["GET", "M-SEARCH"],
    "path": ["/", "/a?b"],
    "challenge_id": ["a"],
    "nonce": ["1"],
    "refresh_token": ["a"],
    "parent": ["organizations/a"],
    "organization": ["", "organizations/a"],
    "client_id": ["", "countersign"],
    "session_client_id": ["", "countersign"],
    "filter": ["", "somebody"],
    "grant_type": ["authorization_code", "refresh_token"],
    "redirect_uris": ["https://app.example.com/cb"],
    "post_logout_redirect_uris": ["https://app.example.com/bye"],
    "registration_access_token": ["a"],
    "token": ["a"],
    "identity_provider": ["identityProviders/a"],
    "code_challenge": ["", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],
    "request_id": ["", "0f8fad5b-d9cb-469f-a165-70867728950e"],
    "scopes": ["account", "mcp", "email", "offline_access"],
}


class Requests:
    """Seeded requests of one message type."""

    def __init__(self, chance: random.Random):
        self.chance = chance

    def message(self, descriptor):
        """Most fields are good, so that a request breaks no rule or few."""
        message = message_factory.GetMessageClass(descriptor)()
        for field in descriptor.fields:
            if self.chance.random() < 0.9:
                self.fill(message, field)
        return message

    def fill(self, message, field: FieldDescriptor) -> None:
        if field.is_repeated:
            for _ in range(self.chance.choice([0, 1, 2, 15, 16, 17])):
                getattr(message, field.name).append(self.text(field))
        elif field.type != FieldDescriptor.TYPE_MESSAGE:
            setattr(message, field.name, self.scalar(field))
        elif field.message_type.full_name == "google.protobuf.FieldMask":
            message.update_mask.paths.extend(self.chance.sample(["display_name", "plan", "*", "email"], self.chance.randrange(3)))
        elif field.message_type.full_name.startswith("google.protobuf."):
            getattr(message, field.name).nanos = self.chance.choice([0, 0, 0, 1])
            getattr(message, field.name).seconds = self.chance.choice([-1, 0, 1, 2_592_000, 2_592_001, 4_000_000_000])
        else:
            inner = getattr(message, field.name)
            inner.SetInParent()
            inner.MergeFrom(self.message(field.message_type))

    def scalar(self, field: FieldDescriptor):
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return self.text(field)
            case FieldDescriptor.TYPE_ENUM:
                known = [value.number for value in field.enum_type.values]
                return self.chance.choice([*known, *known, max(known) + 1, -1, 2**31 - 1])
            case FieldDescriptor.TYPE_BOOL:
                return self.chance.random() < 0.5
            case FieldDescriptor.TYPE_INT32:
                return self.chance.choice([0, 1, 50, 2**31 - 1, -1, -(2**31)])
            case _:
                raise NotImplementedError(f"{field.full_name}: generate this type too")

    def text(self, field: FieldDescriptor) -> str:
        if self.chance.random() < 0.6:
            return self.chance.choice(VALID.get(field.name, self.names(field)))
        length = self.chance.choice(LENGTHS if field.name != "path" else [0, 1, 32_767, 32_768, 32_769])
        text = "".join(self.chance.choices(self.chance.choice(ALPHABETS), k=length))
        if self.chance.random() < 0.3:
            text = self.chance.choice(COLLECTIONS) + text
        if self.chance.random() < 0.3:
            at = self.chance.choice([0, len(text) // 2, len(text)])
            text = text[:at] + self.chance.choice(SPICES) + text[at:]
        return text

    def names(self, field: FieldDescriptor) -> list[str]:
        """Names of nobody: a request that passes must not delete who sends it."""
        if field.name != "name":
            return ["", "a"]
        return [f"{collection}{self.chance.choice(['a', 'é', 'x' * 40])}" for collection in RESOURCES]


@pytest.fixture(scope="module")
def administrator(server, contract):
    somebody = Person.signs_up(contract)
    somebody.logs_in()
    server.admin("grant", somebody.email)
    return somebody



@pytest.mark.parametrize("service", SERVICES)
def test_the_server_and_protovalidate_refuse_the_same_fields(contract, administrator, service):
    validator = Validator()
    verdicts = {True: 0, False: 0}
    for method in contract.service(service).methods:
        requests = Requests(random.Random(f"{service}.{method.name}"))
        for _ in range(REQUESTS_PER_RPC):
            request = requests.message(method.input_type)
            if request.ByteSize() > LARGEST_MESSAGE:
                continue
            expected = {path(violation) for violation in validator.collect_violations(request)}
            got = refused_fields(contract, f"{service}.{method.name}", request, administrator.access_token)
            if not expected:
                got -= READ_FURTHER
            assert got == expected, f"{service}.{method.name} {request!r}"
            verdicts[not expected] += 1
    # Both verdicts are met, or the requests prove little.
    assert min(verdicts.values()) > REQUESTS_PER_RPC / 10, verdicts


def path(violation) -> str:
    """The dotted path, without the place in a list."""
    return ".".join(element.field_name for element in violation.proto.field.elements)


def refused_fields(contract: Contract, rpc: str, request, token: str) -> set[str]:
    service, _, method = rpc.rpartition(".")
    try:
        contract.raw_call(f"/{full_name(service)}/{method}", request.SerializeToString(), token)
    except Refusal as refusal:
        if refusal.reason == "INVALID_FIELD":
            return set(refusal.fields)
        # What is refused before its message is read proves nothing. A registration access token stands in the message.
        is_read = "registration_access_token" in request.DESCRIPTOR.fields_by_name and refusal.reason == "CREDENTIAL_INVALID"
        assert is_read or refusal.reason not in ("CREDENTIAL_MISSING", "CREDENTIAL_INVALID", "RATE_LIMITED", "INTERNAL"), refusal
    return set()
