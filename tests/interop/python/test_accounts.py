"""Sign up, and look after one's own account."""

import pytest
from grpc import StatusCode

from contract import Refusal
from person import Person


def test_somebody_signs_up_and_reads_their_account(contract):
    ada = Person.signs_up(contract, email="Ada.Lovelace@Example.com", display_name="Ada Lovelace")
    assert ada.account.name.startswith("accounts/")
    ada.logs_in()
    me = ada.who_am_i()
    assert me == ada.account
    assert me.email == "Ada.Lovelace@Example.com"
    assert me.display_name == "Ada Lovelace"
    home = me.home_membership
    assert home.organization.startswith("organizations/")
    assert home.role == contract.enum("Role", "ROLE_OWNER")
    assert not me.email_verified


def test_sign_up_can_make_a_session_and_a_key_at_once(contract):
    answer = contract.call(
        "AccountService.CreateAccount",
        email="all-at-once@example.com",
        password="a long enough secret",
        session_client_id="countersign",
        api_key_kind=contract.enum("ApiKeyKind", "API_KEY_KIND_MAILKITE"),
    )
    assert answer.api_key_secret.startswith("mk_live_")
    for credential in (answer.tokens.access_token, answer.api_key_secret):
        account = contract.call("AccountService.GetAccount", token=credential, name="accounts/me").account
        assert account == answer.account


def test_an_address_is_taken_in_every_spelling(contract):
    Person.signs_up(contract, email="taken@example.com")
    for spelling in ("taken@example.com", "TAKEN@EXAMPLE.COM", " Taken@example.com "):
        with pytest.raises(Refusal) as refused:
            Person.signs_up(contract, email=spelling)
        assert refused.value.code is StatusCode.ALREADY_EXISTS
        assert refused.value.reason == "EMAIL_ALREADY_EXISTS"


def test_an_update_changes_what_the_mask_names(person):
    before = person.who_am_i()
    after = person.calls(
        "AccountService.UpdateAccount",
        account={"name": "accounts/me", "display_name": "Countess of Lovelace", "email": "other@example.com"},
        update_mask={"paths": ["display_name"]},
    ).account
    assert after.display_name == "Countess of Lovelace"
    assert after.email == before.email
    assert after.etag != before.etag
    assert person.who_am_i() == after


def test_an_update_of_something_unseen_is_refused(person):
    seen = person.who_am_i().etag
    change = {"account": {"name": "accounts/me", "display_name": "First", "etag": seen}, "update_mask": {"paths": ["display_name"]}}
    person.calls("AccountService.UpdateAccount", **change)
    with pytest.raises(Refusal) as refused:
        person.calls("AccountService.UpdateAccount", **change)
    assert refused.value.code is StatusCode.ABORTED
    assert refused.value.reason == "ETAG_MISMATCH"


def test_a_new_password_ends_every_other_credential(person):
    old_access, old_refresh = person.access_token, person.refresh_token
    key = person.calls("ApiKeyService.CreateApiKey", api_key={"display_name": "laptop"}).secret
    tokens = person.calls(
        "AccountService.ChangePassword",
        name="accounts/me",
        current_password=person.password,
        new_password="another long secret",
    ).tokens
    assert person.who_am_i(tokens.access_token).email == person.email
    for credential in (old_access, key):
        with pytest.raises(Refusal) as refused:
            person.who_am_i(credential)
        assert refused.value.reason == "CREDENTIAL_INVALID"
    with pytest.raises(Refusal, match="REFRESH_TOKEN_INVALID"):
        person.refreshes(old_refresh)
    with pytest.raises(Refusal, match="INVALID_CREDENTIALS"):
        person.logs_in()
    person.password = "another long secret"
    person.logs_in()


def test_a_routine_change_of_password_can_keep_keys(person):
    key = person.calls("ApiKeyService.CreateApiKey", api_key={"display_name": "server"}).secret
    person.calls(
        "AccountService.ChangePassword",
        name="accounts/me",
        current_password=person.password,
        new_password="another long secret",
        keep_api_keys=True,
    )
    assert person.who_am_i(key).email == person.email


def test_a_deleted_account_is_gone_with_its_credentials(person):
    person.calls("AccountService.DeleteAccount", name="accounts/me")
    with pytest.raises(Refusal) as refused:
        person.who_am_i()
    assert refused.value.code is StatusCode.UNAUTHENTICATED
    with pytest.raises(Refusal, match="INVALID_CREDENTIALS"):
        person.logs_in()


def test_another_account_looks_like_none(contract, person):
    other = Person.signs_up(contract)
    refusals = []
    for name in (other.account.name, "accounts/01890000-0000-7000-8000-000000000000"):
        with pytest.raises(Refusal) as refused:
            person.calls("AccountService.GetAccount", name=name)
        refusals.append(refused.value)
    assert refusals[0] == refusals[1]
    assert refusals[0].reason == "ACCOUNT_NOT_FOUND"
