"""What clients of every kind are promised, through each proxy of deploy/ and as its file stands there."""

import http.client
import socket
import ssl
import struct
import subprocess
import time
import urllib.parse

import grpc
import pytest
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc

from behind import NAME, Proxy
from contract import Contract, Refusal
from pages import visit
from person import Person
from server import Server
from test_proxy_protocol import client
from test_transport import write_certificate

URL = f"https://{NAME}"
RPC = "/countersign.v1.SessionService"
# One call by REST and by Connect.
REFRESH = ("/v1/sessions:refresh", f"{RPC}/RefreshSession")
HEALTH = "/grpc.health.v1.Health/Watch"


@pytest.fixture(scope="module", params=["nginx", "caddy", "envoy"])
def kind(request):
    return request.param


def start(kind, folder, **settings):
    """A server that knows one proxy, and that proxy in front of it."""
    write_certificate(folder, NAME)
    server = Server(folder, ISSUER=URL, TRUSTED_PROXIES="127.0.0.1", **settings)
    return server, lambda: Proxy(kind, folder, server)


@pytest.fixture(scope="module")
def proxy(kind, tmp_path_factory):
    server, in_front = start(kind, tmp_path_factory.mktemp(kind), LIMITS_ENABLED="false")
    with server, in_front() as running:
        running.server = server
        yield running
        print(running.log.read_text())


@pytest.fixture
def named(monkeypatch):
    """Makes id.example.com a name of the proxy, whose certificate is trusted."""
    real = socket.getaddrinfo

    def name(proxy):
        ports = {443: proxy.secure, 80: proxy.plain}

        def resolve(host, port, *arguments, **options):
            there = ("127.0.0.1", ports[port]) if host == NAME else (host, port)
            return real(*there, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(proxy.certificate))

    return name


@pytest.fixture(autouse=True)
def reached(request, named):
    if "proxy" in request.fixturenames:
        named(request.getfixturevalue("proxy"))


def channel_to(proxy) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(proxy.certificate.read_bytes())
    options = [("grpc.ssl_target_name_override", NAME), ("grpc.default_authority", NAME)]
    return grpc.secure_channel(f"127.0.0.1:{proxy.secure}", credentials, options)


@pytest.fixture(scope="module")
def ada(proxy):
    with channel_to(proxy) as channel:
        person = Person.signs_up(Contract(channel), email="ada@example.com")
        person.logs_in()
        yield person


def frame(message: bytes) -> bytes:
    return struct.pack(">BI", 0, len(message)) + message


def test_a_grpc_client_is_served(ada):
    assert ada.who_am_i().email == ada.email
    ada.refreshes()
    assert ada.who_am_i().email == ada.email


def test_a_refused_call_keeps_its_status_and_its_details(ada):
    with pytest.raises(Refusal) as wrong:
        ada.contract.call("SessionService.CreateSession", email=ada.email, password="not the password")
    assert (wrong.value.code, wrong.value.reason) == (grpc.StatusCode.UNAUTHENTICATED, "INVALID_CREDENTIALS")
    with pytest.raises(Refusal) as invalid:
        ada.contract.call("AccountService.CreateAccount", email="nobody", password="a long enough secret")
    assert (invalid.value.code, list(invalid.value.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, ["email"])
    with pytest.raises(Refusal) as unknown:
        ada.contract.raw_call("/no.such.Service/Method", b"")
    assert unknown.value.code is grpc.StatusCode.UNIMPLEMENTED


def test_large_metadata_and_a_large_token_arrive(ada):
    large = (("x-large", "a" * 6000), ("x-large-too", "b" * 6000))
    answer = ada.contract.call("AccountService.GetAccount", token=ada.access_token, metadata=large, name="accounts/me")
    assert answer.account.email == ada.email
    with pytest.raises(Refusal) as refused:
        ada.who_am_i(token="a" * 12_000)
    assert refused.value.reason == "CREDENTIAL_INVALID"


def test_what_is_too_large_is_refused_by_the_server(proxy, ada):
    heads = ({"x-large": "a" * size} for size in (12_000, 20_000))
    assert [requests.get(f"{URL}/livez", headers=head, timeout=10).status_code for head in heads] == [200, 431]
    with pytest.raises(Refusal) as refused:
        ada.contract.raw_call(f"{RPC}/CreateSession", b"\0" * 2_000_000)
    assert refused.value.reason == "MESSAGE_TOO_LARGE"
    # Connect has no 413.
    for path, status in zip(REFRESH, (413, 429)):
        answer = requests.post(URL + path, data=b" " * 900_000, headers={"content-type": "application/json"}, timeout=10)
        assert (answer.status_code, "larger than 64 KiB" in answer.json()["message"]) == (status, True)


def test_health_can_be_asked_and_watched(proxy):
    with channel_to(proxy) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="")
        assert health.Check(request, timeout=10).status == health_pb2.HealthCheckResponse.SERVING
        watch = health.Watch(request, timeout=10)
        assert next(iter(watch)).status == health_pb2.HealthCheckResponse.SERVING
        watch.cancel()


def test_a_refusal_before_the_body_leaves_the_connection_to_the_client(proxy):
    """The server refuses this one by its head. Then more can be asked on the connection, or the client is told that it cannot."""
    body = b'{"name": "sessions/current"}'
    connection = http.client.HTTPSConnection(NAME, context=ssl.create_default_context(cafile=proxy.certificate), timeout=10)
    headers = {"authorization": "Bearer x", "content-type": "application/json", "content-length": len(body)}
    connection.putrequest("POST", f"{RPC}/GetSession")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    # By the time that others have had their answers, this one's is on its way.
    for _ in range(5):
        requests.get(f"{URL}/livez", timeout=10)
    connection.send(body)
    answer = connection.getresponse()
    assert (answer.status, answer.read()[:1]) == (401, b"{")
    if not answer.will_close:
        connection.request("GET", "/livez")
        assert connection.getresponse().status == 200
    connection.close()


def test_grpc_web_is_served_over_http_1_1(ada):
    headers = {"content-type": "application/grpc-web+proto", "authorization": f"Bearer {ada.access_token}"}
    ask = lambda **options: requests.post(
        f"{URL}{RPC}/GetSession", data=frame(b"\x0a\x10sessions/current"), headers=headers | options, timeout=10
    )
    answer = ask()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/grpc-web+proto")
    assert b"grpc-status:0" in answer.content
    refused = ask(authorization="Bearer x")
    # A refusal has no message: its status stands in the head or in the last frame.
    told = refused.headers.get("grpc-status") or refused.content.decode(errors="replace")
    assert "16" in told, (refused.headers, refused.content)


def test_a_stream_of_grpc_web_is_not_held_back(proxy):
    headers = {"content-type": "application/grpc-web+proto"}
    with requests.post(URL + HEALTH, data=frame(b""), headers=headers, stream=True, timeout=10) as answer:
        # The stream stays open, and its first message is here.
        assert answer.raw.read(7) == frame(b"\x08\x01")


def test_rest_and_connect_are_served(ada):
    bearer = {"authorization": f"Bearer {ada.access_token}"}
    assert requests.get(f"{URL}/v1/accounts/me", headers=bearer, timeout=10).json()["account"]["email"] == ada.email
    connect = requests.post(f"{URL}{RPC}/GetSession", json={"name": "sessions/current"}, headers=bearer, timeout=10)
    assert connect.json()["session"]["current"] is True


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_clients_speak_the_http_that_they_choose(proxy, version):
    command = [
        "curl",
        "-sS",
        f"--http{version}",
        "--cacert",
        proxy.certificate,
        "-o",
        proxy.folder / "body",
        "-w",
        "%{http_version}",
    ]
    there = ["--connect-to", f"{NAME}:443:127.0.0.1:{proxy.secure}", f"{URL}/.well-known/openid-configuration"]
    done = subprocess.run([*command, *there], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == version
    assert f'"issuer":"{URL}"' in (proxy.folder / "body").read_text()


def test_somebody_signs_in_for_an_app_on_the_pages(ada):
    back = "https://app.example.com/callback"
    metadata = {"client_name": "App", "redirect_uris": [back], "token_endpoint_auth_method": "none"}
    registered = requests.post(f"{URL}/oauth/register", json=metadata, timeout=10).json()
    asked = {
        "response_type": "code",
        "client_id": registered["client_id"],
        "redirect_uri": back,
        # Long, as some clients make it.
        "state": "s" * 2000,
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
    left = visit(URL, f"{URL}/oauth/authorize?{urllib.parse.urlencode(asked)}", ada)
    assert left.startswith(back)
    answer = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(left).query))
    assert answer["code"] and (answer["state"], answer["iss"]) == (asked["state"], URL)


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("GET", "/", {}),
        ("GET", "/", {"headers": {"accept": "text/html"}}),
        ("GET", "/no/such/page", {}),
        ("GET", "/no/such/page", {"headers": {"accept": "text/html"}}),
        ("GET", "/v1/accounts/me", {}),
        ("GET", "/v1/accounts/me", {"headers": {"authorization": "Bearer x"}}),
        ("DELETE", "/v1/accounts", {}),
        ("POST", "/v1/sessions", {"json": {"email": "nobody"}}),
        ("POST", "/v1/sessions", {"data": "x", "headers": {"content-type": "text/plain"}}),
        ("POST", f"{RPC}/CreateSession", {"json": {"email": "nobody"}}),
        ("POST", f"{RPC}/NoSuchMethod", {"json": {}}),
        ("POST", "/oauth/token", {"data": {"grant_type": "x"}}),
        ("POST", "/api/auth/login", {"json": {}}),
        ("GET", "/oauth/authorize?client_id=x", {"headers": {"accept": "text/html"}}),
        ("OPTIONS", f"{RPC}/GetSession", {"headers": {"origin": "https://a.example", "access-control-request-method": "POST"}}),
        ("HEAD", "/livez", {}),
    ],
)
def test_an_answer_comes_as_the_server_gave_it(proxy, method, path, options):
    own = {"x-request-id": "the-same-for-both", "user-agent": "test"}
    headers = own | options.get("headers", {})
    rest = {name: value for name, value in options.items() if name != "headers"}
    ask = lambda url, **more: requests.request(
        method, url + path, headers=headers | more, allow_redirects=False, timeout=10, **rest
    )
    direct, through = ask(proxy.server.url, **{"x-forwarded-proto": "https"}), ask(URL)
    assert (through.status_code, through.content) == (direct.status_code, direct.content)
    # What stands for one hop, and what a proxy says of itself.
    apart = {"connection", "date", "server", "transfer-encoding", "content-length", "alt-svc", "keep-alive", "via"}
    left = lambda answer: {name.lower(): value for name, value in answer.headers.items() if name.lower() not in apart}
    assert left(through) == left(direct)


@pytest.mark.parametrize(
    "paths", [("/v1/accounts", "/v1/sessions"), (f"{RPC.replace('Session', 'Account')}/CreateAccount", f"{RPC}/CreateSession")]
)
@pytest.mark.parametrize(
    "lie",
    [
        {"X-Forwarded-For": "6.6.6.6"},
        {"X-Forwarded-For": "127.0.0.1, 6.6.6.6", "X-Real-IP": "6.6.6.6", "True-Client-IP": "6.6.6.6"},
        {"Forwarded": "for=6.6.6.6;proto=https"},
        {"Forwarded": "for=6.6.6.6", "X-Forwarded-For": "6.6.6.6"},
        {"Connection": "close, X-Forwarded-For, X-Forwarded-Proto"},
    ],
)
def test_a_client_is_known_by_its_address_whatever_it_says(proxy, paths, lie):
    somebody = client("127.0.0.9")
    account = {"email": f"eve{time.monotonic_ns()}@example.com", "password": "a long enough secret"}
    for path in paths:
        answer = somebody.post(URL + path, json=account, headers=lie, timeout=10)
        if proxy.kind == "envoy" and "Connection" in lie:
            assert answer.status_code == 400, "Envoy takes no header away"
            return
        assert answer.status_code == 200, answer.text
    assert answer.json()["session"]["clientAddress"] == "127.0.0.9"


def test_a_grpc_client_is_known_by_its_address_whatever_it_says(ada):
    lies = (("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=6.6.6.6;proto=http"), ("x-forwarded-proto", "http"))
    answer = ada.contract.call("SessionService.CreateSession", metadata=lies, email=ada.email, password=ada.password)
    # Envoy has another name for 127.0.0.1: the address of its machine.
    assert answer.session.client_address != "6.6.6.6"


def test_each_client_has_a_limit_of_its_own(kind, tmp_path, named):
    server, in_front = start(kind, tmp_path, LIMITS_PUBLIC_PER_SECOND="1")
    with server, in_front() as proxy:
        named(proxy)
        for number, path in enumerate(REFRESH):

            def statuses(last):
                somebody = client(f"127.0.{number}.{last}")
                lies = ({"X-Forwarded-For": f"6.6.6.{place}", "Forwarded": f"for=6.6.{place}.6"} for place in range(20))
                return [
                    somebody.post(URL + path, json={"refreshToken": "x"}, headers=lie, timeout=10).status_code for lie in lies
                ]

            assert 429 in statuses(9)
            assert statuses(10)[0] == 401


# envoy.yaml listens for TLS alone.
@pytest.mark.parametrize("kind", ["nginx", "caddy"], indirect=True)
def test_plain_http_leads_browsers_to_https_and_refuses_calls(proxy):
    answer = requests.get(f"http://{NAME}/docs?a=b", allow_redirects=False, timeout=10)
    assert (answer.status_code, answer.headers["location"]) == (308, f"{URL}/docs?a=b")
    assert requests.post(f"http://{NAME}/v1/sessions", json={}, allow_redirects=False, timeout=10).status_code == 403


def test_a_client_that_says_https_is_not_believed(proxy):
    """What the proxy says of the scheme is its own word: over TLS it is https, also for who says otherwise."""
    for path in ("/openapi.json", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"):
        answer = requests.get(URL + path, headers={"X-Forwarded-Proto": "http", "Forwarded": "proto=http"}, timeout=10)
        assert answer.status_code != 403, answer.text


def test_envoy_takes_a_renewed_certificate(tmp_path):
    server, in_front = start("envoy", tmp_path)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def served(proxy) -> bytes:
        with socket.create_connection(("127.0.0.1", proxy.secure), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname=NAME) as secured:
                return secured.getpeercert(binary_form=True)

    with server, in_front() as proxy:
        before = served(proxy)
        renewed = tmp_path / "renewed"
        renewed.mkdir()
        write_certificate(renewed, NAME)
        for file in ("key.pem", "cert.pem"):
            (renewed / file).rename(tmp_path / file)
        deadline = time.monotonic() + 10
        while served(proxy) == before:
            assert time.monotonic() < deadline, proxy.log.read_text()
            time.sleep(0.02)
