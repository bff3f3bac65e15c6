"""Readiness follows what the database can do."""

import resource
import time

import server as program
from server import Server

PASSWORD = "a long enough secret"
# Ten seconds without a committed write, a check, and the patience of each.
NOTICED_WITHIN = 16.0
RECOVERED_WITHIN = 6.0


def becomes(server, status, within):
    deadline = time.monotonic() + within
    while server.get("/readyz").status_code != status:
        assert time.monotonic() < deadline, f"/readyz is not {status} after {within} s"
        time.sleep(0.1)


def sign_up(server, name):
    return server.post("/v1/accounts", json={"email": f"{name}@example.com", "password": PASSWORD}).status_code


def test_a_server_that_cannot_write_to_its_disk_is_not_ready_and_recovers(tmp_path, monkeypatch):
    # A write beyond the limit is an error of the file system, and no signal that ends the program.
    without_signal = tmp_path / "countersign"
    without_signal.write_text(f"#!/bin/sh\ntrap '' XFSZ\nexec '{program.binary()}' \"$@\"\n")
    without_signal.chmod(0o755)
    monkeypatch.setattr(program, "binary", lambda: without_signal)
    with Server(tmp_path, LIMITS_ENABLED="false") as server:
        assert sign_up(server, "ann") == 200
        before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1, before[1]))
        becomes(server, 503, NOTICED_WITHIN)
        assert sign_up(server, "bob") == 503
        assert server.get("/.well-known/jwks.json").status_code == 200
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
        becomes(server, 200, RECOVERED_WITHIN)
        assert sign_up(server, "bob") == 200
