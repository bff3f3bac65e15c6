"""One port: h2c and TLS, health, reflection, plain HTTP beside them, and an orderly end."""

import datetime
import ipaddress
import ssl
import socket

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc

from contract import SERVICES, Contract, Refusal, full_name
from person import Person
from server import Server


def write_certificate(folder, *names: str) -> dict[str, str]:
    """A certificate for 127.0.0.1 and these names that vouches for itself, as the settings that name it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), *map(x509.DNSName, ("localhost", *names))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    # The server refuses a key that others may read.
    (folder / "key.pem").touch(mode=0o600)
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return {"TLS_CERT": str(folder / "cert.pem"), "TLS_KEY": str(folder / "key.pem")}


@pytest.fixture(scope="module")
def secure_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    with Server(folder, LIMITS_ENABLED="false", **write_certificate(folder)) as running:
        yield running


@pytest.fixture
def root_certificate(secure_server):
    return (secure_server.folder / "cert.pem").read_bytes()


def test_the_same_story_over_tls(secure_server, root_certificate):
    with grpc.secure_channel(secure_server.address, grpc.ssl_channel_credentials(root_certificate)) as channel:
        ada = Person.signs_up(Contract(channel))
        ada.logs_in()
        assert ada.who_am_i().email == ada.email
        ada.calls("SessionService.DeleteSession", name="sessions/current")
        with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
            ada.who_am_i()


@pytest.mark.parametrize("offered", ["h2", "http/1.1"])
def test_tls_speaks_what_the_client_offers(secure_server, offered):
    context = ssl.create_default_context(cafile=secure_server.folder / "cert.pem")
    context.set_alpn_protocols([offered])
    with socket.create_connection(("127.0.0.1", secure_server.port), timeout=10) as plain:
        with context.wrap_socket(plain, server_hostname="localhost") as secured:
            assert secured.selected_alpn_protocol() == offered
            assert secured.version() in ("TLSv1.2", "TLSv1.3")


def test_http_1_1_is_served_over_tls(secure_server):
    assert secure_server.get("/livez").status_code == 200


def test_reflection_lists_the_contract(contract):
    assert {full_name(service) for service in SERVICES} <= contract.service_names()
    assert "grpc.health.v1.Health" in contract.service_names()


def test_reflection_gives_the_options_of_every_rpc(contract):
    for service in SERVICES:
        for method in contract.service(service).methods:
            options = method.GetOptions().SerializeToString()
            assert options, f"{method.full_name} has no options"


@pytest.mark.parametrize("service", ["", *(full_name(service) for service in SERVICES)])
def test_health_says_serving(contract, service):
    health = health_pb2_grpc.HealthStub(contract.channel)
    answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_health_can_be_watched(contract):
    health = health_pb2_grpc.HealthStub(contract.channel)
    watch = health.Watch(health_pb2.HealthCheckRequest(service=""), timeout=10)
    assert next(iter(watch)).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()


def test_health_of_something_unknown_is_not_found(contract):
    health = health_pb2_grpc.HealthStub(contract.channel)
    with pytest.raises(grpc.RpcError) as failed:
        health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=10)
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_answer_over_http_1_1(server, path):
    assert server.get(path).status_code == 200


def test_a_request_id_comes_back(server):
    assert server.get("/livez", headers={"x-request-id": "abc-123"}).headers["x-request-id"] == "abc-123"
    assert server.get("/livez").headers["x-request-id"]


def test_calls_in_flight_are_answered_before_the_end(tmp_path):
    with Server(tmp_path, LIMITS_ENABLED="false") as server, grpc.insecure_channel(server.address) as channel:
        contract = Contract(channel)
        ada = Person.signs_up(contract)
        # Password checks take long enough to be still running when the first of them is answered.
        credentials = {"email": ada.email, "password": ada.password}
        calls = [contract.start("SessionService.CreateSession", **credentials) for _ in range(8)]
        calls[0].result()
        server.terminate()
        assert [call.result().account.email for call in calls] == [ada.email] * len(calls)
        assert server.wait() == 0
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_an_idle_client_does_not_hold_the_end_up(tmp_path):
    with Server(tmp_path) as server:
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        server.terminate()
        assert server.wait() == 0
        idle.close()


def test_a_restart_forgets_nothing_and_revives_nothing(tmp_path):
    with Server(tmp_path, LIMITS_ENABLED="false") as server:
        with grpc.insecure_channel(server.address) as channel:
            ada = Person.signs_up(Contract(channel))
            revoked = ada.logs_in().tokens.access_token
            ada.calls("SessionService.DeleteSession", name="sessions/current")
            kept = ada.logs_in().tokens.access_token
        server.terminate()
        assert server.wait() == 0
        server.start()
        with grpc.insecure_channel(server.address) as channel:
            contract = Contract(channel)
            who = lambda token: contract.call("AccountService.GetAccount", token=token, name="accounts/me")
            assert who(kept).account.email == ada.email
            with pytest.raises(Refusal, match="CREDENTIAL_INVALID"):
                who(revoked)


def test_the_log_holds_no_secret(tmp_path):
    with Server(tmp_path, LIMITS_ENABLED="false", LOG="trace") as server:
        with grpc.insecure_channel(server.address) as channel:
            ada = Person.signs_up(Contract(channel), password="canary-of-the-password")
            ada.logs_in()
            ada.refreshes()
            key = ada.calls("ApiKeyService.CreateApiKey", api_key={"display_name": "log"}).secret
            ada.who_am_i(key)
        server.terminate()
        assert server.wait() == 0
        output = server.output()
        for secret in (ada.password, ada.access_token, ada.refresh_token, key):
            assert secret not in output
