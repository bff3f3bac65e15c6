"""Administration: the command line beside the running server, and the admin services over gRPC and REST."""

import grpc
import pytest
import requests
from grpc import StatusCode

from contract import Contract, Refusal
from person import Person
from server import Server


@pytest.fixture(scope="module")
def admin_server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("admin"), LIMITS_ENABLED="false") as running:
        yield running


@pytest.fixture(scope="module")
def admin_contract(admin_server):
    with grpc.insecure_channel(admin_server.address) as channel:
        yield Contract(channel)


@pytest.fixture
def somebody(admin_contract):
    person = Person.signs_up(admin_contract, display_name="Ada Lovelace")
    person.logs_in()
    return person


@pytest.fixture
def administrator(admin_server, somebody):
    assert admin_server.admin("grant", somebody.email)["administrator"]
    yield somebody
    admin_server.admin("revoke", somebody.email)


def test_the_command_makes_an_administrator_and_unmakes_it(admin_server, somebody):
    with pytest.raises(Refusal) as refused:
        somebody.calls("admin.v1.AccountService.ListAccounts")
    assert refused.value.code is StatusCode.PERMISSION_DENIED
    admin_server.admin("grant", somebody.email.upper())
    assert somebody.who_am_i().administrator
    found = somebody.calls("admin.v1.AccountService.ListAccounts", filter=somebody.email).accounts
    assert [account.email for account in found] == [somebody.email]
    admin_server.admin("revoke", somebody.account.name)
    with pytest.raises(Refusal, match="PERMISSION_DENIED"):
        somebody.calls("admin.v1.AccountService.ListAccounts")


def test_a_disabled_account_is_refused_in_every_way_until_it_is_enabled(admin_server, administrator, admin_contract):
    bob = Person.signs_up(admin_contract)
    bob.logs_in()
    key = bob.calls("ApiKeyService.CreateApiKey", api_key={"display_name": "ci"}).secret
    assert bob.who_am_i(key).email == bob.email
    disabled = administrator.calls("admin.v1.AccountService.DisableAccount", name=f"accounts/{bob.email}").account
    assert disabled.HasField("disable_time")
    for credential in (bob.access_token, key):
        with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
            bob.who_am_i(credential)
        assert admin_server.get("/oauth/me", headers={"authorization": f"Bearer {credential}"}).status_code == 401
    with pytest.raises(Refusal, match="REFRESH_TOKEN_INVALID"):
        bob.refreshes()
    for password in (bob.password, "not the password"):
        with pytest.raises(Refusal, match="INVALID_CREDENTIALS"):
            admin_contract.call("SessionService.CreateSession", email=bob.email, password=password)
    face = admin_server.post("/v1/auth/login", json={"email": bob.email, "password": bob.password})
    assert face.status_code == 401
    assert [line["email"] for line in admin_server.admin("accounts", "--disabled")] == [bob.email]

    assert admin_server.admin("enable", bob.email)["disableTime"] is None
    assert bob.who_am_i(key).email == bob.email
    with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
        bob.who_am_i()
    bob.logs_in()


def test_organizations_over_rest(admin_server, administrator, admin_contract):
    bob = Person.signs_up(admin_contract)
    bob.logs_in()
    name = bob.account.home_membership.organization
    headers = {"authorization": f"Bearer {administrator.access_token}"}
    path = f"{admin_server.url}/admin/v1/{name}"
    changed = requests.patch(path, json={"plan": "PLAN_PRO"}, headers=headers, timeout=10)
    assert changed.json()["organization"]["plan"] == "PLAN_PRO"
    assert [line["name"] for line in admin_server.admin("organizations", "--search", bob.email)] == [name]
    listed = requests.get(
        f"{admin_server.url}/admin/v1/organizations", params={"filter": "plan = PLAN_PRO"}, headers=headers, timeout=10
    )
    assert [organization["ownerEmail"] for organization in listed.json()["organizations"]] == [bob.email]
    disabled = requests.post(f"{path}:disable", json={}, headers=headers, timeout=10)
    assert disabled.status_code == 200, disabled.text
    with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
        bob.who_am_i()
    assert requests.delete(path, headers=headers, timeout=10).status_code == 200
    assert requests.get(path, headers=headers, timeout=10).status_code == 404
    assert requests.get(path, headers={"authorization": f"Bearer {bob.access_token}"}, timeout=10).status_code == 401


def test_deleting_asks_first_and_nobody_is_there_to_ask(admin_server, admin_contract):
    bob = Person.signs_up(admin_contract)
    refused = admin_server.command("admin", "delete", bob.email)
    assert refused.returncode == 2 and "--yes" in refused.stderr
    assert admin_server.command("admin", "delete", bob.email, "--yes").stdout == f"deleted {bob.account.name}\n"
    assert admin_server.admin("accounts", "--search", bob.email) == []


def test_the_last_administrator_is_kept_from_themselves(administrator):
    for rpc in ("RevokeAdministrator", "DisableAccount", "DeleteAccount"):
        with pytest.raises(Refusal) as refused:
            administrator.calls(f"admin.v1.AccountService.{rpc}", name=administrator.account.name)
        assert refused.value.code is StatusCode.PERMISSION_DENIED
        assert "last administrator" in refused.value.fields["name"]
    assert administrator.who_am_i().administrator
