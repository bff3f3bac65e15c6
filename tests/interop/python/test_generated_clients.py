"""Clients in other languages, made as `proto/buf.gen.yaml` says: the programs of `tests/interop/clients` sign up, log in
and print the address of the account that they have logged in to. `tests/run interop` compiles them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server import ROOT, environment

CLIENTS = Path(os.environ.get("COUNTERSIGN_TEST_CLIENTS", ROOT / "target/test-tools/clients"))
PROGRAMS = {
    "go-grpc": [CLIENTS / "bin/grpc"],
    "go-connect": [CLIENTS / "bin/connect"],
    "java": ["java", "-cp", f"{CLIENTS}/jars/*:{CLIENTS}/classes", "Main"],
    "python": [sys.executable, CLIENTS / "gen/python/main.py"],
    "typescript": ["node", CLIENTS / "gen/typescript/out/main.js"],
}
TIMEOUT = 60


def run(*command) -> subprocess.CompletedProcess:
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_generated_client_signs_in(server, name):
    email = f"{name}@example.com"
    done = run(*PROGRAMS[name], server.address, email, "a long enough secret")
    assert (done.returncode, done.stdout) == (0, f"{email}\n"), done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_generated_client_fails_when_it_is_refused(server, name):
    done = run(*PROGRAMS[name], server.address, f"{name}-short@example.com", "short")
    assert done.returncode != 0
    assert done.stdout == ""


def test_plain_protoc_compiles_the_contract(tmp_path):
    contract = ROOT / "proto"
    files = sorted(contract.glob("countersign/**/*.proto"))
    done = run("protoc", f"-I{contract}", f"-I{contract}/third_party", f"--descriptor_set_out={tmp_path}/contract", *files)
    # Warnings too would be somebody's trouble.
    assert (done.returncode, done.stderr) == (0, "")
