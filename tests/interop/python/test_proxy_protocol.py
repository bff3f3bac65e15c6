"""PROXY protocol, as a real haproxy speaks it: the client's address and its TLS reach the program."""

import socket

import grpc
import pytest
import requests
from requests.adapters import HTTPAdapter

from contract import Contract
from person import Person
from haproxy import HAProxy
from server import ROOT, Server
from test_transport import write_certificate

# Where haproxy connects from; the tests come straight from 127.0.0.1, which is no proxy.
PROXY = "127.0.0.2"
CONFIGURATION = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 10s
    timeout server 10s

frontend plain
    bind 127.0.0.1:{plain}
    default_backend countersign

frontend secure
    bind 127.0.0.1:{secure} ssl crt {certificate} alpn h2,http/1.1
    default_backend countersign

frontend version1
    bind 127.0.0.1:{version1}
    default_backend countersign1

backend countersign
    source {proxy}
    server one 127.0.0.1:{server} send-proxy-v2-ssl proxy-v2-options crc32c,unique-id check check-send-proxy inter 200ms

backend countersign1
    source {proxy}
    server one 127.0.0.1:{server} send-proxy
"""


class FromAddress(HTTPAdapter):
    """Connects from this address of the machine."""

    def __init__(self, address: str):
        self._address = address
        super().__init__()

    def init_poolmanager(self, *arguments, **options):
        super().init_poolmanager(*arguments, source_address=(self._address, 0), **options)


def client(address: str) -> requests.Session:
    session = requests.Session()
    session.mount("http://", FromAddress(address))
    session.mount("https://", FromAddress(address))
    return session


@pytest.fixture
def behind(tmp_path):
    """Starts a server, and haproxy in front of it."""
    started = []

    def start(configuration=CONFIGURATION, ports=("plain", "secure", "version1"), **settings) -> tuple[Server, HAProxy]:
        settings = {"TRUSTED_PROXIES": PROXY, "SERVER_PROXY_PROTOCOL": "true"} | settings
        write_certificate(tmp_path)
        both = tmp_path / "both.pem"
        both.write_bytes((tmp_path / "cert.pem").read_bytes() + (tmp_path / "key.pem").read_bytes())
        server = Server(tmp_path, **settings)
        started.append(server.__enter__())
        proxy = HAProxy(tmp_path, configuration, ports, server=server.port, proxy=PROXY, certificate=both)
        started.append(proxy.__enter__())
        return server, proxy

    yield start
    for running in reversed(started):
        running.__exit__(None, None, None)


def documented_configuration() -> str:
    """deploy/haproxy.cfg, with the addresses and the certificate of this machine."""
    text = (ROOT / "deploy/haproxy.cfg").read_text()
    for there, here in [
        ("bind :443", "bind 127.0.0.1:{secure}"),
        ("/etc/haproxy/id.example.com.pem", "{certificate}"),
        ("10.0.0.5:8080 send-proxy-v2-ssl", "127.0.0.1:{server} send-proxy-v2-ssl source {proxy}"),
    ]:
        assert text.count(there) == 1, there
        text = text.replace(there, here)
    return text


def session_address(url: str, somebody: requests.Session, **options) -> str:
    """Signs up and logs in, and asks which address did so. What the client says of itself is a lie."""
    lie = {"X-Forwarded-For": "6.6.6.6", "Forwarded": "for=6.6.6.6;proto=https"}
    account = {"email": "ada@example.com", "password": "a long enough secret"}
    somebody.post(f"{url}/v1/accounts", json=account, headers=lie, timeout=10, **options).raise_for_status()
    answer = somebody.post(f"{url}/v1/sessions", json=account, headers=lie, timeout=10, **options)
    answer.raise_for_status()
    return answer.json()["session"]["clientAddress"]


def test_the_client_of_a_tcp_proxy_is_known(behind):
    _, proxy = behind(LIMITS_ENABLED="false")
    assert session_address(f"http://127.0.0.1:{proxy.ports['plain']}", client("127.0.0.9")) == "127.0.0.9"


def test_the_documented_configuration_works(behind):
    server, proxy = behind(documented_configuration(), ("secure",), ISSUER="https://id.example.com")
    url, certificate = f"https://127.0.0.1:{proxy.ports['secure']}", str(server.folder / "cert.pem")
    assert session_address(url, client("127.0.0.9"), verify=certificate) == "127.0.0.9"


def test_grpc_passes_through(behind):
    _, proxy = behind(LIMITS_ENABLED="false")
    with grpc.insecure_channel(f"127.0.0.1:{proxy.ports['plain']}") as channel:
        ada = Person.signs_up(Contract(channel))
        ada.logs_in()
        assert ada.who_am_i().email == ada.email


def test_each_client_behind_the_proxy_has_its_own_limit(behind):
    _, proxy = behind(LIMITS_PUBLIC_PER_SECOND="1")
    url = f"http://127.0.0.1:{proxy.ports['plain']}/v1/sessions:refresh"

    def statuses(somebody):
        return {somebody.post(url, json={"refreshToken": "x"}, timeout=10).status_code for _ in range(20)}

    assert 429 in statuses(client("127.0.0.9"))
    assert client("127.0.0.10").post(url, json={"refreshToken": "x"}, timeout=10).status_code == 401


def test_tls_that_ends_at_the_proxy_is_https(behind):
    server, proxy = behind(LIMITS_ENABLED="false", ISSUER="https://id.example.com")
    plain = client("127.0.0.9").get(
        f"http://127.0.0.1:{proxy.ports['plain']}/openapi.json", headers={"X-Forwarded-Proto": "https"}, timeout=10
    )
    assert (plain.status_code, plain.json()["details"][0]["reason"]) == (403, "HTTPS_REQUIRED")
    url = f"https://127.0.0.1:{proxy.ports['secure']}"
    certificate = str(server.folder / "cert.pem")
    assert session_address(url, client("127.0.0.9"), verify=certificate) == "127.0.0.9"
    answer = client("127.0.0.9").get(f"{url}/livez", verify=certificate, timeout=10)
    assert answer.headers["strict-transport-security"]


def test_the_proxy_before_the_servers_own_tls(behind, tmp_path):
    server, proxy = behind(LIMITS_ENABLED="false", **write_certificate(tmp_path))
    url = f"https://127.0.0.1:{proxy.ports['plain']}"
    assert session_address(url, client("127.0.0.9"), verify=str(server.folder / "cert.pem")) == "127.0.0.9"


def test_a_header_of_version_1_is_refused_with_a_line_in_the_log(behind):
    server, proxy = behind()
    with socket.create_connection(("127.0.0.1", proxy.ports["version1"]), timeout=10) as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
        assert connection.recv(1) == b""
    # What waited for the thread of the log is written before the program ends.
    server.terminate()
    assert server.wait() == 0
    assert "PROXY header of version 1" in server.output()
