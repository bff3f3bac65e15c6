"""API keys: made once, used like a session, gone at once."""

import pytest

from contract import Refusal
from person import Person


def test_a_key_works_like_a_session(person):
    made = person.calls("ApiKeyService.CreateApiKey", api_key={"display_name": "ci"})
    assert made.secret.startswith("cs_live_")
    assert made.api_key.account == person.account.name
    assert made.secret.startswith(made.api_key.hint) and made.api_key.hint != made.secret
    assert person.who_am_i(made.secret) == person.who_am_i()


def test_keys_are_listed_without_their_secrets(person):
    made = [
        person.calls("ApiKeyService.CreateApiKey", api_key={"display_name": name}) for name in ("first", "second", "third")
    ]
    page = person.calls("ApiKeyService.ListApiKeys")
    assert [key.display_name for key in page.api_keys] == ["third", "second", "first"]
    listed = page.SerializeToString()
    assert not any(key.secret.encode() in listed for key in made)
    read = person.calls("ApiKeyService.GetApiKey", name=made[0].api_key.name).api_key
    assert read == made[0].api_key


def test_a_revoked_key_is_refused_at_once(person):
    made = person.calls("ApiKeyService.CreateApiKey", api_key={"display_name": "lost"})
    assert person.who_am_i(made.secret).email == person.email
    person.calls("ApiKeyService.DeleteApiKey", name=made.api_key.name)
    with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
        person.who_am_i(made.secret)
    with pytest.raises(Refusal, match="API_KEY_NOT_FOUND"):
        person.calls("ApiKeyService.GetApiKey", name=made.api_key.name)


def test_a_changed_key_is_refused(person):
    secret = person.calls("ApiKeyService.CreateApiKey", api_key={"display_name": "typo"}).secret
    swapped = secret[:-1] + ("0" if secret[-1] != "0" else "1")
    for broken in (swapped, secret[:-1], secret + "0", secret.swapcase()):
        with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
            person.who_am_i(broken)


def test_the_key_of_somebody_else_is_not_there(contract, person):
    other = Person.signs_up(contract)
    other.logs_in()
    name = other.calls("ApiKeyService.CreateApiKey", api_key={"display_name": "theirs"}).api_key.name
    for rpc in ("ApiKeyService.GetApiKey", "ApiKeyService.DeleteApiKey"):
        with pytest.raises(Refusal, match="API_KEY_NOT_FOUND"):
            person.calls(rpc, name=name)
