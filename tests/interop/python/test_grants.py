"""What an account allows each client: looked at, and taken back alone, by client, or with its session."""

import pytest
import requests
from grpc import StatusCode

from contract import Refusal


def grant_of(person, **fields):
    """Logs in on another device, and gives back its tokens and their grant."""
    tokens = person.contract.call("SessionService.CreateSession", email=person.email, password=person.password, **fields).tokens
    return tokens, person.calls("GrantService.GetGrant", name=tokens.grant).grant


def test_a_log_in_gives_a_grant_in_its_session(person):
    answer = person.logs_in()
    grant = person.calls("GrantService.GetGrant", name="grants/current").grant
    assert (grant.name, grant.session, grant.account) == (answer.tokens.grant, answer.session.name, person.account.name)
    assert (grant.client_id, grant.scopes, grant.current) == ("countersign", ["account"], True)
    assert grant.expire_time == answer.session.expire_time
    person.refreshes()
    assert person.calls("GrantService.GetGrant", name="grants/current").grant.name == grant.name


def test_access_tokens_name_their_grant_and_session(person):
    import jwt

    grant = person.calls("GrantService.GetGrant", name="grants/current").grant
    claims = jwt.decode(person.access_token, options={"verify_signature": False})
    assert (f"grants/{claims['grant_id']}", f"sessions/{claims['sid']}") == (grant.name, grant.session)


def test_grants_are_listed_by_client_in_pages(person):
    made = [grant_of(person, client_id=client_id)[1].name for client_id in ("momail", "smtpd", "momail")]
    listed, token = [], ""
    while True:
        page = person.calls("GrantService.ListGrants", page_size=1, page_token=token, filter='client_id = "momail"')
        assert len(page.grants) <= 1
        listed += [grant.name for grant in page.grants]
        token = page.next_page_token
        if not token:
            break
    assert listed == [made[2], made[0]]
    assert len(person.calls("GrantService.ListGrants").grants) == 4
    with pytest.raises(Refusal) as refused:
        person.calls("GrantService.ListGrants", filter="session = x")
    assert (refused.value.code, list(refused.value.fields)) == (StatusCode.INVALID_ARGUMENT, ["filter"])


def test_a_grant_that_is_taken_back_ends_its_tokens_and_its_session(person):
    tokens, grant = grant_of(person)
    person.calls("GrantService.DeleteGrant", name=grant.name)
    with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
        person.who_am_i(tokens.access_token)
    with pytest.raises(Refusal, match="REFRESH_TOKEN_INVALID"):
        person.contract.call("SessionService.RefreshSession", refresh_token=tokens.refresh_token)
    for rpc, name in (("GrantService.DeleteGrant", grant.name), ("SessionService.GetSession", grant.session)):
        with pytest.raises(Refusal, match="_NOT_FOUND"):
            person.calls(rpc, name=name)
    assert person.who_am_i().email == person.email


def test_what_a_client_was_granted_is_taken_back_together(person):
    client = person.calls("ClientService.GetClient", name="clients/momail").client
    assert (client.display_name, client.grant_types) == ("MoMail", ["password", "refresh_token"])
    lost = [grant_of(person, client_id="momail")[0] for _ in range(2)]
    person.calls("ClientService.RevokeGrants", name=client.name)
    for tokens in lost:
        with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
            person.who_am_i(tokens.access_token)
    assert person.who_am_i().email == person.email
    for rpc in ("GetClient", "RevokeGrants"):
        with pytest.raises(Refusal, match="CLIENT_NOT_FOUND"):
            person.calls(f"ClientService.{rpc}", name="clients/nobody")


def test_grants_over_rest(server, person):
    def asks(method: str, path: str, **options) -> requests.Response:
        headers = {"authorization": f"Bearer {person.access_token}"}
        return requests.request(method, server.url + path, headers=headers, timeout=10, **options)

    face = server.post("/v1/auth/login", json={"email": person.email, "password": person.password}).json()["data"]
    listed = asks("GET", "/v1/grants", params={"filter": 'client_id = "momail"'}).json()["grants"]
    assert [(grant["clientId"], grant["scopes"]) for grant in listed] == [("momail", ["account"])]
    name = listed[0]["name"]
    assert asks("GET", f"/v1/{name}").json()["grant"] == listed[0]
    assert (asks("DELETE", f"/v1/{name}").json(), asks("DELETE", f"/v1/{name}").status_code) == ({}, 404)
    again = server.post("/v1/auth/refresh", json={"refreshToken": face["refreshToken"]})
    assert (again.status_code, again.json()["error"]["code"]) == (401, "UNAUTHORIZED")

    smtpd = asks("GET", "/v1/clients/smtpd").json()["client"]
    assert (smtpd["name"], smtpd["scopes"], smtpd["grantLifetime"]) == ("clients/smtpd", ["admin"], "2592000s")
    tokens, _ = grant_of(person, client_id="momail")
    revoked = asks("POST", "/v1/clients/momail:revokeGrants", json={})
    assert (revoked.status_code, revoked.json()) == (200, {})
    with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
        person.who_am_i(tokens.access_token)
    assert asks("POST", "/v1/clients/nobody:revokeGrants", json={}).status_code == 404
