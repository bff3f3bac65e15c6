"""proto3 JSON of the contract's fields, read by the server and by Google's own reader: the same spellings pass.

Each field is sent alone in a Connect call without a credential, or with one where the rpc asks for it; a value that
can be read, but breaks a rule or names nothing, counts as read.
"""


import pytest
from google.protobuf import json_format, message_factory

NUMBERS = [
    "1", '"1"', "1.0", '"1.0"', "1e0", '"1e0"', "1E2", '"1e2"', '"15e-1"', "0", "-0", '"-0"', "1.5", '"1.5"', '" 1"', '"1 "',
    '""', '"0x1"', '"one"', "true", "[1]", "{}", "null", "2147483647", "2147483648", '"2147483648"', "2147483648.0", "-1",
    "-2147483649", "1e300", '"1e300"', '"NaN"', '"Infinity"',
]
ENUMS = ['"API_KEY_KIND_STANDARD"', '"api_key_kind_standard"', "1", "7", "null", '"STANDARD"', '""', "true", "[]", "2147483648"]
DURATIONS = [
    '"1s"', '"1.5s"', '"0.000000001s"', '"1"', '"1m"', '"s"', '""', "1", "null", '"315576000001s"', '"0.0000000001s"',
    '{"seconds": 1}',
]
MOMENTS = [
    '"2030-01-01T00:00:00Z"', '"2030-01-01T00:00:00.123456789Z"', '"2030-01-01T00:00:00+01:30"', '"2030-01-01T00:00:00"',
    '"2030-01-01"', '"2030-02-30T00:00:00Z"', '"2030-01-01T00:00:00.1234567891Z"', '"10000-01-01T00:00:00Z"',
    '"9999-12-31T23:59:59-01:00"', '""', "0", "null", '{"seconds": 1}',
]
MASKS = ['"displayName"', '"displayName,email"', '""', '"display_name"', "null", "1", '["displayName"]']
TEXTS = ['"a"', '"\\u00e9"', "1", "true", "null", '["a"]', "{}"]
BOOLEANS = ["true", "false", '"true"', "1", "0", "null", '""']

FIELDS = [
    ("SessionService.ListSessions", "pageSize", NUMBERS),
    ("AccountService.CreateAccount", "apiKeyKind", ENUMS),
    ("SessionService.CreateSession", "email", TEXTS),
    ("SessionService.RefreshSession", "keepRefreshToken", BOOLEANS),
    ("ApiKeyService.RotateApiKey", "overlap", DURATIONS),
    ("ApiKeyService.CreateApiKey", "apiKey.expireTime", MOMENTS),
    ("ApiKeyService.CreateApiKey", "apiKey.scopes", ['["a", "b"]', "[]", "null", '"a"', "[null]", "[1]"]),
    ("AccountService.UpdateAccount", "updateMask", MASKS),
]
NAMES = [
    '{"keepRefreshToken": true}', '{"keep_refresh_token": true}', '{"keepRefreshToken": true, "keep_refresh_token": true}',
    '{"keepRefreshToken": true, "keepRefreshToken": true}', '{"KeepRefreshToken": true}', '{"other": 1}', "[]", "null", "",
]
# Google's reader for Python is laxer here than the page, and than its readers for other languages.
LAXER = {
    # int(True) is 1.
    '{"apiKeyKind": true}',
    # "… as long as they fit into nanosecond precision": the rest is cut off.
    '{"overlap": "0.0000000001s"}',
    # The later one wins.
    '{"keepRefreshToken": true, "keep_refresh_token": true}',
    # An object without members.
    "[]",
}


def cases():
    for rpc, path, spellings in FIELDS:
        for spelling in spellings:
            body = spelling
            for name in reversed(path.split(".")):
                body = f'{{"{name}": {body}}}'
            yield rpc, body
    for body in NAMES:
        yield "SessionService.RefreshSession", body


def google_reads(contract, rpc: str, body: str) -> bool:
    service, method = rpc.split(".")
    request = message_factory.GetMessageClass(contract.service(service).methods_by_name[method].input_type)()
    try:
        json_format.Parse(body, request)
    except (json_format.ParseError, ValueError):
        return False
    return True


def server_reads(server, rpc: str, body: str, token: str) -> bool:
    service, method = rpc.split(".")
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    answer = server.post(f"/countersign.v1.{service}/{method}", data=body.encode(), headers=headers)
    if answer.status_code == 200:
        return True
    details = [detail.get("debug", {}) for detail in answer.json()["details"]]
    reason = next(detail["reason"] for detail in details if "domain" in detail)
    rules = {violation["reason"] for detail in details for violation in detail.get("fieldViolations", [])}
    return reason != "MALFORMED_REQUEST" and "WRONG_TYPE" not in rules


@pytest.mark.parametrize(("rpc", "body"), list(cases()))
def test_the_server_reads_what_google_reads(server, contract, person, rpc, body):
    expected = google_reads(contract, rpc, body) and body not in LAXER
    assert server_reads(server, rpc, body, person.access_token) == expected
