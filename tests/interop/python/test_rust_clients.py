"""The crates `oauth2` and `openidconnect`, in a program of tests/interop/clients/rust."""

import os
import subprocess
from pathlib import Path

import pytest
import requests

from pages import visit

CALLBACK = "http://127.0.0.1:3999/callback"
PROGRAM = Path(os.environ.get("COUNTERSIGN_TEST_CLIENTS", "/nowhere"), "bin/countersign-oauth-clients")


@pytest.mark.parametrize("kind", ["oauth2", "openidconnect"])
def test_a_program_in_rust_signs_a_person_in(server, person, kind):
    assert PROGRAM.exists(), "tests/run interop builds it and sets COUNTERSIGN_TEST_CLIENTS"
    base = f"http://{server.address}"
    metadata = {"client_name": "Rust", "redirect_uris": [CALLBACK]}
    client = requests.post(f"{base}/oauth/register", json=metadata, timeout=20).json()
    program = subprocess.Popen(
        [PROGRAM, kind, base, client["client_id"], CALLBACK], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with program:
        back = visit(base, program.stdout.readline().strip(), person)
        learnt, _ = program.communicate(f"{back}\n", timeout=30)
    assert program.returncode == 0
    account = person.account.name.removeprefix("accounts/")
    assert learnt.strip() == {"oauth2": "true true", "openidconnect": f"{account} {person.email}"}[kind]
