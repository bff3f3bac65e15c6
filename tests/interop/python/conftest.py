"""One running server for all tests that do not need their own; each test makes its own people."""

import grpc
import pytest

from contract import Contract
from person import Person
from server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server"), LIMITS_ENABLED="false") as running:
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
