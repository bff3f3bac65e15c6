"""One running server for all tests that do not need their own; each test makes its own people."""

import grpc
import pytest

from contract import Contract
from person import Person
from server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    # All people sign up from one address; that must not make the challenges of Mail.td's harder than documented.
    settings = {"LIMITS_ENABLED": "false", "SIGNUP_NETWORK_THRESHOLD": "1000000"}
    with Server(tmp_path_factory.mktemp("server"), **settings) as running:
        yield running
        print(running.output())


@pytest.fixture(scope="session")
def contract(server):
    with grpc.insecure_channel(server.address) as channel:
        yield Contract(channel)


@pytest.fixture
def person(contract):
    somebody = Person.signs_up(contract, display_name="Ada Lovelace")
    somebody.logs_in()
    return somebody
