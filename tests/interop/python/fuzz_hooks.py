"""What schemathesis cannot know from the document, because no JSON Schema says it: each rule below has its reason.

A request that is meant to be good gets what only this server can have made, or what depends on the time; one that is
meant to be bad is sent as it is. The choice is made by a checksum, so that it is the same in every run.
"""

import uuid
import zlib

import schemathesis

EMAIL = "fuzz@example.com"
PASSWORD = "a long enough secret"
ADDRESSES = ("email", "username", "email_address", "address")
FORM = ("username", "email", "email_address", "password", "refresh_token", "token")
FILTERS = {"/v1/apiKeys": "kind = API_KEY_KIND_STANDARD", "/v1/grants": 'client_id = "countersign"'}
ENUMS = ("kind", "plan", "purpose", "apiKeyKind")


def checksum(value) -> int:
    return zlib.crc32(repr(value).encode())


@schemathesis.hook
def before_call(_context, case, **_kwargs):
    if case.meta is not None and case.meta.generation.mode.is_negative:
        case.body = worse(case.body)
        case.query = worse(case.query)
    else:
        if isinstance(case.body, dict):
            mend_body(case)
        mend_parameters(case)
    keep_the_credential(case)


def worse(values):
    """The same bad request, but for what is no mistake: ProtoJSON takes null for an absent field, and the number of an
    enum, of which the document has the names."""
    if not isinstance(values, dict):
        return values
    spoilt = {}
    for name, value in values.items():
        is_number = str(value).lstrip("-").isdigit() and not isinstance(value, bool)
        if name in ENUMS and is_number:
            spoilt[name] = "NO_SUCH_VALUE"
        elif value is None:
            spoilt[name] = 0.5
        else:
            spoilt[name] = worse(value)
    return spoilt


def mend_body(case) -> None:
    body, choice = case.body, checksum(case.body)
    # RFC 5321 says more about an address than a pattern can. Some calls are to succeed: those of a known account.
    for name in ADDRESSES:
        if isinstance(body.get(name), str):
            body[name] = EMAIL if choice % 4 == 0 else f"{choice}@example.com"
            if choice % 4 == 0:
                body["password"] = PASSWORD
    # Solving a challenge takes a second; one that is not solved is refused, and Mail.td's sign-ups need one.
    body.pop("pow", None)
    body.pop("proofOfWork", None)
    # JSON Schema has no assertions, ID tokens or registered addresses, nor what may stand beside what.
    for name in ("clientAssertion", "clientAssertionType", "idTokenHint", "postLogoutRedirectUri"):
        body.pop(name, None)
    if isinstance(body.get("proof"), dict):
        body["proof"] = {"code": "fuzz"}
    if case.path == "/api/auth/google":
        case.body = {"code": "fuzz"}
    # JSON Schema does not say which clients there are, and Mail.td's sign-ups need work.
    for name in ("clientId", "sessionClientId"):
        if isinstance(body.get(name), str):
            body[name] = "countersign"
    # JSON Schema has no "now", before which nothing may end.
    if "expireTime" in body:
        body["expireTime"] = "2999-01-01T00:00:00Z"
    # JSON Schema does not say what can be registered of a client.
    if case.path.startswith("/oauth/register"):
        case.body = {"redirect_uris": ["https://app.example.com/callback"], "client_name": f"fuzz {choice}"}
    elif case.path.startswith("/v1/clients:") and "metadata" in body:
        body["metadata"] = {"redirectUris": ["https://app.example.com/callback"], "clientName": f"fuzz {choice}"}
    elif case.path.startswith("/oauth/"):
        # A form has no null, and no parameter in it may come twice; other members are ignored, so nothing is lost.
        for name in [name for name, value in body.items() if name not in FORM or not isinstance(value, str)]:
            del body[name]
    # Which body belongs to which query is more than OpenAPI can say.
    # A token in JSON is SMTPD's refresh token.
    if case.path == "/oauth/revoke" and case.media_type == "application/json" and "token" in body:
        body["refresh_token"] = body.pop("token")
    if case.path == "/oauth/introspect":
        body["client_id"] = "fuzz"
    if case.path == "/oauth/token":
        if "refresh_token" not in body and "password" not in body:
            body.clear()
            body.update(username=EMAIL, password=PASSWORD)
        case.query = {"grant_type": "refresh_token" if "refresh_token" in body else "password"}
        body.pop("grant_type", None)


def mend_parameters(case) -> None:
    # JSON Schema does not say that an id is of one request.
    for place in (case.body, case.query):
        if isinstance(place, dict) and "requestId" in place:
            place["requestId"] = str(uuid.uuid5(uuid.NAMESPACE_OID, repr((case.path, case.body))))
    # Only the server makes them.
    (case.query or {}).pop("pageToken", None)
    # JSON Schema has no grammar for a filter (AIP-160).
    if "filter" in (case.query or {}):
        case.query["filter"] = FILTERS.get(case.path, "fuzz")
    parameters = case.path_parameters or {}
    if case.method.upper() in ("GET", "PATCH") and "account" in parameters and checksum(parameters) % 2 == 0:
        parameters["account"] = "me"


def keep_the_credential(case) -> None:
    # It learns names and ids from other calls; without its account and its key, the rest of the run would be refused.
    parameters = case.path_parameters or {}
    if case.method.upper() == "DELETE" and parameters.get("account") == "me":
        parameters["account"] = "somebody"
    if case.method.upper() == "DELETE" and "id" in parameters:
        parameters["id"] = "somebody"
