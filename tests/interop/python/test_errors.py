"""What a native client reads when something is wrong: a status, a reason, and the fields at fault."""

import grpc
import pytest
from grpc import StatusCode

from contract import PACKAGE, Contract, Refusal
from server import Server


def refusal(call, *args, **fields) -> Refusal:
    with pytest.raises(Refusal) as refused:
        call(*args, **fields)
    assert refused.value.domain == "countersign"
    return refused.value


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"email": "", "password": "a long enough secret"}, ["email"]),
        ({"email": "not an address", "password": "a long enough secret"}, ["email"]),
        ({"email": "a" * 255 + "@example.com", "password": "a long enough secret"}, ["email"]),
        ({"email": "short@example.com", "password": "seven77"}, ["password"]),
        ({"email": "control@example.com", "password": "with a\x00 in it"}, ["password"]),
        ({"email": "", "password": "", "display_name": "line\nbreak"}, ["display_name", "email", "password"]),
        ({"email": "profile@example.com", "password": "a long enough secret", "session_client_id": "none"}, ["session_client_id"]),
    ],
)
def test_the_fields_at_fault_are_named(contract, fields, at_fault):
    refused = refusal(contract.call, "AccountService.CreateAccount", **fields)
    assert refused.code is StatusCode.INVALID_ARGUMENT
    assert refused.reason == "INVALID_FIELD"
    assert sorted(refused.fields) == at_fault
    assert fields["password"] == "" or fields["password"] not in str(refused)


def test_a_common_password_is_refused(contract):
    refused = refusal(contract.call, "AccountService.CreateAccount", email="common@example.com", password="password1")
    assert refused.reason == "PASSWORD_TOO_COMMON"
    assert list(refused.fields) == ["password"]


def test_a_nested_field_is_named_by_its_path(person):
    refused = refusal(person.calls, "ApiKeyService.CreateApiKey", api_key={"display_name": "x" * 101})
    assert list(refused.fields) == ["api_key.display_name"]


def test_a_call_without_a_credential_says_so(contract):
    refused = refusal(contract.call, "AccountService.GetAccount", name="accounts/me")
    assert refused.code is StatusCode.UNAUTHENTICATED
    assert refused.reason == "CREDENTIAL_MISSING"


@pytest.mark.parametrize("token", ["x", "eyJhbGciOiJub25lIn0.e30.", "cs_live_0000", "mk_live_" + "A" * 48, "a b"])
def test_garbage_is_no_credential(contract, token):
    refused = refusal(contract.call, "AccountService.GetAccount", token=token, name="accounts/me")
    assert refused.code is StatusCode.UNAUTHENTICATED
    assert refused.reason == "CREDENTIAL_INVALID"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic", "Digest abc", "Basic !!!!"])
def test_a_broken_authorization_is_refused(contract, header):
    refused = refusal(
        contract.call, "AccountService.GetAccount", metadata=(("authorization", header),), name="accounts/me"
    )
    assert refused.code is StatusCode.UNAUTHENTICATED


def test_an_unknown_rpc_is_unimplemented(contract):
    for path in (f"/{PACKAGE}.AccountService/Nothing", f"/{PACKAGE}.NoService/GetAccount"):
        refused = refusal(contract.raw_call, path, b"")
        assert refused.code is StatusCode.UNIMPLEMENTED
        assert refused.reason == "METHOD_NOT_FOUND"


def test_bytes_that_are_no_message_are_refused(contract):
    for payload in (b"\xff", b"\x0a\x05ab", b"\x0a\x02\xff\xfe"):
        refused = refusal(contract.raw_call, f"/{PACKAGE}.SessionService/CreateSession", payload)
        assert refused.code is StatusCode.INVALID_ARGUMENT
        assert refused.reason == "MALFORMED_REQUEST"


def test_a_message_over_64_kib_is_refused(contract):
    refused = refusal(contract.call, "SessionService.CreateSession", email="big@example.com", password="x" * (64 * 1024))
    assert refused.code is StatusCode.RESOURCE_EXHAUSTED
    assert refused.reason == "MESSAGE_TOO_LARGE"


def test_a_deadline_that_has_passed_is_kept(server):
    with grpc.insecure_channel(server.address) as channel:
        call = channel.unary_unary(f"/{PACKAGE}.SessionService/CreateSession", request_serializer=bytes, response_deserializer=bytes)
        with pytest.raises(grpc.RpcError) as failed:
            call(b"\x0a\x05a@b.c\x12\x01x", timeout=0.0001)
        assert failed.value.code() is StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("path", ["/v1/sessions", "/api/auth/login", "/v1/auth/login", "/api/token", "/oauth/token?grant_type=password"])
def test_what_is_accepted_is_named(server, path):
    other = server.post(path, data=b"{}", headers={"content-type": "text/plain"})
    packed = server.post(path, data=b"{}", headers={"content-type": "application/json", "content-encoding": "gzip"})
    assert other.status_code == packed.status_code == 415
    assert "content-type must be application/json" in other.text
    assert "content-encoding must be identity" in packed.text


def test_a_wait_goes_with_its_pushback(tmp_path):
    with Server(tmp_path) as limited, grpc.insecure_channel(limited.address) as channel:
        contract = Contract(channel)
        for _ in range(10):
            try:
                contract.start("SessionService.CreateSession", email="a@b.example", password="wrong").result()
            except grpc.RpcError as error:
                pushback = dict(error.trailing_metadata()).get("grpc-retry-pushback-ms")
                wait = Refusal.of(error).retry_seconds
                assert (pushback is None) == (wait is None)
                if wait is not None:
                    assert 0 <= int(pushback) - wait * 1000 < 1
                    break
        else:
            pytest.fail("ten wrong passwords were not held up")
