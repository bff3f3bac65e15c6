"""Log in, refresh, look, log out."""

import pytest
from grpc import StatusCode

from contract import Refusal
from person import Person


def test_logging_in_gives_a_session_and_its_tokens(person):
    answer = person.logs_in()
    assert answer.account.email == person.email
    assert answer.tokens.token_type == "bearer"
    assert answer.tokens.scopes == ["account"]
    lifetime = answer.tokens.access_token_expire_time.ToDatetime() - answer.session.create_time.ToDatetime()
    assert round(lifetime.total_seconds() / 60) == 60
    current = person.calls("SessionService.GetSession", name="sessions/current").session
    assert current.name == answer.session.name
    assert current.current
    assert current.client_address == "127.0.0.1"
    assert "grpc-python" in current.user_agent


def test_a_wrong_password_and_an_unknown_address_look_the_same(contract, person):
    refusals = []
    for email in (person.email, "nobody@example.com"):
        with pytest.raises(Refusal) as refused:
            contract.call("SessionService.CreateSession", email=email, password="not the password")
        refusals.append(refused.value)
    assert refusals[0] == refusals[1]
    assert refusals[0].code is StatusCode.UNAUTHENTICATED
    assert refusals[0].reason == "INVALID_CREDENTIALS"


def test_a_refresh_gives_a_new_pair(person):
    first_access, first_refresh = person.access_token, person.refresh_token
    person.refreshes()
    assert person.access_token != first_access
    assert person.refresh_token != first_refresh
    assert person.who_am_i().email == person.email


def test_a_refresh_that_got_lost_can_be_repeated(person):
    first = person.refresh_token
    successors = {person.refreshes(first).refresh_token for _ in range(3)}
    assert len(successors) == 1


def test_a_used_refresh_token_ends_the_grant(person):
    stolen = person.refresh_token
    person.refreshes()
    person.refreshes()
    with pytest.raises(Refusal) as refused:
        person.refreshes(stolen)
    assert refused.value.code is StatusCode.UNAUTHENTICATED
    assert refused.value.reason == "REFRESH_TOKEN_INVALID"
    with pytest.raises(Refusal, match="REFRESH_TOKEN_INVALID"):
        person.refreshes()
    with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
        person.who_am_i()


def test_logging_out_kills_both_tokens_at_once(person):
    person.calls("SessionService.DeleteSession", name="sessions/current")
    with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
        person.who_am_i()
    with pytest.raises(Refusal, match="REFRESH_TOKEN_INVALID"):
        person.refreshes()


def test_the_refresh_token_alone_can_log_out(contract, person):
    contract.call("SessionService.RevokeRefreshToken", refresh_token=person.refresh_token)
    with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
        person.who_am_i()


def test_one_device_logs_another_one_out(person):
    lost = person.logs_in()
    person.logs_in()
    person.calls("SessionService.DeleteSession", name=lost.session.name)
    with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
        person.who_am_i(lost.tokens.access_token)
    assert person.who_am_i().email == person.email


def test_sessions_come_in_pages_the_newest_first(contract):
    person = Person.signs_up(contract)
    made = [person.logs_in().session.name for _ in range(5)]
    listed, token, pages = [], "", 0
    while True:
        page = person.calls("SessionService.ListSessions", page_size=2, page_token=token)
        assert len(page.sessions) <= 2
        listed += [session.name for session in page.sessions]
        pages += 1
        token = page.next_page_token
        if not token:
            break
    assert listed == made[::-1]
    assert pages == 3


def test_a_forged_page_token_is_refused(person):
    for forged in ("x", "AAAA", "%00"):
        with pytest.raises(Refusal) as refused:
            person.calls("SessionService.ListSessions", page_token=forged)
        assert refused.value.code is StatusCode.INVALID_ARGUMENT
        assert list(refused.value.fields) == ["page_token"]


def test_the_session_of_somebody_else_is_not_there(contract, person):
    other = Person.signs_up(contract)
    name = other.logs_in().session.name
    for rpc in ("SessionService.GetSession", "SessionService.DeleteSession"):
        with pytest.raises(Refusal, match="SESSION_NOT_FOUND"):
            person.calls(rpc, name=name)
    assert other.who_am_i().email == other.email


def test_access_tokens_are_verified_with_the_published_keys(server, person):
    import jwt

    published = jwt.PyJWKSet.from_dict(server.get("/.well-known/jwks.json").json())
    header = jwt.get_unverified_header(person.access_token)
    assert header["alg"] == "ES256"
    key = next(key for key in published.keys if key.key_id == header["kid"])
    claims = jwt.decode(
        person.access_token, key.key, algorithms=["ES256"], options={"verify_aud": False, "require": ["exp", "iat", "iss", "sub", "aud"]}
    )
    assert claims["iss"] == server.url
    assert claims["jti"] and claims["sid"] and claims["grant_id"]
    assert all("d" not in published_key for published_key in server.get("/.well-known/jwks.json").json()["keys"])
