"""Deciding for a service behind nginx and Caddy, configured as docs/FORWARD-AUTH.md says."""

import http.client
import re

import pytest
import requests

from person import Person
from proxies import Proxy, Service
from server import Server

RULES = "/api/accounts/{account_id}/messages account, /public anyone"
IDENTITY = ["account", "organization", "email", "email-verified", "plan", "scopes", "credential"]
PROXIES = ["nginx", "caddy"]


@pytest.fixture(scope="module")
def deciding(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("deciding"), LIMITS_ENABLED="false", AUTHZ_RULES=RULES) as running:
        yield running


@pytest.fixture(scope="module")
def service():
    running = Service()
    yield running
    running.close()


@pytest.fixture(scope="module", params=PROXIES)
def proxy(request, tmp_path_factory, deciding, service):
    running = Proxy(request.param, tmp_path_factory.mktemp(request.param), deciding, service)
    yield running
    running.close()


@pytest.fixture(scope="module")
def people(deciding):
    import grpc

    from contract import Contract

    with grpc.insecure_channel(deciding.address) as channel:
        contract = Contract(channel)
        two = [Person.signs_up(contract, email=f"{name}@example.com") for name in ("ada", "eve")]
        for person in two:
            person.logs_in()
        yield two


def mailbox(person: Person) -> str:
    return f"/api/{person.account.name}/messages"


def bearer(person: Person) -> dict[str, str]:
    return {"authorization": f"Bearer {person.access_token}"}


def raw(proxy: Proxy, path: str, headers: dict[str, str], source: str = "127.0.0.1") -> int:
    """The status of a request whose path is sent exactly as it stands here, from this address."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=10, source_address=(source, 0))
    connection.putrequest("GET", path, skip_accept_encoding=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def identity(answer: requests.Response) -> dict[str, str]:
    """What the service was told; a header that did not come and an empty one are the same to it."""
    seen = answer.json()["headers"]
    told = [(name.replace("_", "-"), value) for name, value in seen if name.replace("_", "-").startswith("x-countersign-")]
    assert len(told) == len(dict(told)), seen
    return {name.removeprefix("x-countersign-"): value for name, value in told if value}


def test_the_owner_passes_and_the_service_knows_who_it_is(proxy, people):
    ada, _ = people
    answer = requests.get(proxy.url + mailbox(ada) + "?page=2", headers=bearer(ada), timeout=10)
    assert answer.status_code == 200, answer.text
    seen = answer.json()
    assert (seen["method"], seen["path"]) == ("GET", mailbox(ada) + "?page=2")
    assert identity(answer) == {
        "account": ada.account.name.removeprefix("accounts/"),
        "organization": ada.account.home_membership.organization.removeprefix("organizations/"),
        "email": "ada@example.com",
        "email-verified": "false",
        "plan": "free",
        "scopes": "account",
        "credential": "session",
    }
    assert not any(name == "authorization" for name, _ in seen["headers"])


def test_an_api_key_passes_as_the_user_name_of_basic(proxy, people):
    ada, _ = people
    key = ada.calls("ApiKeyService.CreateApiKey", api_key={"display_name": "mail"}).secret
    answer = requests.get(proxy.url + mailbox(ada), auth=(key, ""), timeout=10)
    assert identity(answer)["credential"] == "api-key"


def test_somebody_else_is_denied_and_nothing_reaches_the_service(proxy, service, people):
    ada, eve = people
    before = service.requests
    for path in (mailbox(ada), "/api/accounts/7/messages", "/api/accounts", "/"):
        assert requests.get(proxy.url + path, headers=bearer(eve), timeout=10).status_code == 403, path
    assert service.requests == before


def test_without_a_good_credential_one_is_asked_for(proxy, service, people):
    ada, _ = people
    before = service.requests
    for headers, challenge in [({}, 'Bearer realm="countersign", Basic'), ({"authorization": "Bearer x"}, "invalid_token")]:
        answer = requests.get(proxy.url + mailbox(ada), headers=headers, timeout=10)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer ")
        assert challenge in answer.headers["www-authenticate"]
        # nginx has a page of its own for what it was refused.
        if proxy.kind != "nginx":
            assert answer.json() == {"error": "invalid_or_expired_token"}
    assert service.requests == before


@pytest.mark.parametrize("spelling", ["X-Countersign-", "x-countersign-", "X_Countersign_", "x_countersign-", "X-Countersign_"])
def test_what_a_client_says_of_itself_never_reaches_the_service(proxy, people, spelling):
    ada, eve = people
    forged = {spelling + name: "forged" for name in IDENTITY}
    anonymous = requests.get(proxy.url + "/public/a", headers=forged, timeout=10)
    assert anonymous.status_code == 200
    assert identity(anonymous) == {}
    known = requests.get(proxy.url + "/public/a", headers=forged | bearer(eve), timeout=10)
    own = requests.get(proxy.url + mailbox(ada), headers=forged | bearer(ada), timeout=10)
    for answer in (known, own):
        assert set(identity(answer)) == set(IDENTITY)
    assert "forged" not in known.text + own.text + anonymous.text


@pytest.mark.parametrize("spelling", ["X-Countersign-{}", "x-countersign-{}", "close, X-COUNTERSIGN-{} "])
def test_a_client_cannot_have_its_identity_taken_away(proxy, people, spelling):
    ada, _ = people
    for name in IDENTITY:
        headers = bearer(ada) | {"connection": spelling.format(name)}
        answer = requests.get(proxy.url + mailbox(ada), headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text
        assert set(identity(answer)) == set(IDENTITY), name
    every = ", ".join(spelling.format(name) for name in IDENTITY)
    answer = requests.get(proxy.url + mailbox(ada), headers=bearer(ada) | {"connection": every}, timeout=10)
    assert set(identity(answer)) == set(IDENTITY)


def test_a_client_with_large_headers_is_let_through(proxy, people):
    ada, _ = people
    # More than the server takes. nginx by itself takes 8 KiB in a header, and 32 KiB in all.
    large = {"cookie": "c" * 20_000} if proxy.kind == "caddy" else {f"x-large-{number}": "c" * 6000 for number in range(4)}
    answer = requests.get(proxy.url + mailbox(ada), headers=bearer(ada) | large, timeout=10)
    assert answer.status_code == 200, answer.text
    assert set(identity(answer)) == set(IDENTITY)
    assert set(large.items()) <= {(name, value) for name, value in answer.json()["headers"]}, "the service gets them"


@pytest.mark.parametrize("names", [("X-Original-Method", "X-Original-URI"), ("X-Forwarded-Method", "X-Forwarded-Uri")])
def test_a_client_cannot_choose_the_request_that_is_asked_about(proxy, people, names):
    ada, eve = people
    chosen = dict(zip(names, ("GET", "/public/a"))) | bearer(eve)
    assert requests.get(proxy.url + mailbox(ada), headers=chosen, timeout=10).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/public/..{mailbox}",
        "/public/%2e%2e{mailbox}",
        "/public/..%2f..{mailbox}",
        "/public/..%5c..{mailbox}",
        "/public/..;{mailbox}",
        "/public/%252e%252e{mailbox}",
        "/public%2f..{mailbox}",
        "/public/.{mailbox}",
        "/public/%2e{mailbox}",
        "/{mailbox}",
        "{mailbox}%00",
        "{mailbox};x=/public",
        "//public/a",
        "/public//a",
        "/public/a%0d%0aX-Countersign-Account:%20forged",
    ],
)
def test_a_path_that_two_programs_could_read_differently_is_denied(proxy, service, people, path):
    ada, eve = people
    before = service.requests
    for person in (ada, eve):
        # nginx refuses some of them by itself.
        assert raw(proxy, path.format(mailbox=mailbox(ada)), bearer(person)) in (400, 403)
    assert service.requests == before


@pytest.mark.parametrize("content_type", ["application/octet-stream", "application/grpc", "application/json"])
def test_a_body_reaches_the_service_as_it_was_sent(proxy, people, content_type):
    ada, _ = people
    headers = bearer(ada) | {"content-type": content_type}
    body = bytes(range(256)) * 400
    in_chunks = (body[start : start + 1000] for start in range(0, len(body), 1000))
    for sent in (body, in_chunks):
        answer = requests.post(proxy.url + mailbox(ada), data=sent, headers=headers, timeout=10)
        assert answer.status_code == 200, answer.text
        seen = answer.json()
        assert (seen["method"], bytes.fromhex(seen["body"])) == ("POST", body)
        assert ["content-type", content_type] in seen["headers"]


def test_an_error_of_the_service_stays_its_own(proxy):
    answer = requests.get(proxy.url + "/public/broken", timeout=10)
    assert (answer.status_code, answer.json()["path"]) == (500, "/public/broken")


@pytest.mark.parametrize("kind", PROXIES)
def test_whoever_calls_too_often_is_told_when_to_come_back(kind, tmp_path, service):
    with Server(tmp_path, LIMITS_PUBLIC_PER_SECOND="1", TRUSTED_PROXIES="127.0.0.1", AUTHZ_RULES=RULES) as server:
        proxy = Proxy(kind, tmp_path, server, service)
        try:
            answers = (requests.get(proxy.url + "/public/a", timeout=10) for _ in range(100))
            limited = next(answer for answer in answers if answer.status_code != 200)
            assert (limited.status_code, limited.headers["retry-after"]) == (429, "1")
            assert raw(proxy, "/public/a", {}, source="127.0.0.2") == 200
            server.process.kill()
            server.process.wait()
            assert requests.get(proxy.url + "/public/a", timeout=10).status_code in (502, 503)
        finally:
            proxy.close()


def test_the_document_names_every_identity_header_for_every_proxy():
    from proxies import DOCUMENT

    blocks = dict(re.findall(r"^```(nginx|caddy|yaml)\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL))
    assert len(blocks) == 3
    for kind, block in blocks.items():
        for name in IDENTITY:
            assert re.search(rf"X-Countersign-{name.title()}\b", block), f"{kind}: {name}"


def test_traefiks_question_is_understood(deciding, people):
    """The headers of Traefik's ForwardAuth, by hand: Debian has no Traefik."""
    ada, eve = people
    asked = {
        "X-Forwarded-Method": "DELETE",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "mail.example.com",
        "X-Forwarded-Uri": mailbox(ada) + "/17?purge=1",
        "X-Forwarded-For": "192.0.2.7",
        "X-Forwarded-Server": "traefik",
    }
    answers = [deciding.get("/authz/forward", headers=asked | headers) for headers in (bearer(ada), bearer(eve), {})]
    assert [answer.status_code for answer in answers] == [200, 403, 401]
    assert all(f"x-countersign-{name}" in answers[0].headers for name in IDENTITY)
    assert answers[1].json()["error"] == "permission_denied"
