"""Schemathesis against the server's own /openapi.json, once as a stranger and once signed in.

The seed and the number of examples are fixed, so that every run sends the same requests.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from server import temporary_server

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SEED = "20260728"
EXAMPLES = "20"


def run_schemathesis(url: str, folder: str, *options: str) -> int:
    command = [
        Path(sys.executable).with_name("schemathesis"), "run", f"{url}/openapi.json",
        "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
        "--seed", SEED, "--max-examples", EXAMPLES, "--generation-deterministic", "--generation-database", "none",
        "--workers", "1", "--request-timeout", "10", "--warnings", "off", "--no-color", *options,
    ]
    return subprocess.run(command, cwd=folder, check=False).returncode


def main() -> int:
    folder, server = temporary_server(LIMITS_ENABLED="false")
    with folder, tempfile.TemporaryDirectory() as scratch, server:
        account = {"email": "fuzz@example.com", "password": "a long enough secret", "apiKeyKind": "API_KEY_KIND_STANDARD"}
        answer = server.post("/v1/accounts", json=account)
        answer.raise_for_status()
        key = answer.json()["apiKeySecret"]
        print("-- as a stranger", flush=True)
        stranger = run_schemathesis(server.url, scratch)
        print("-- signed in", flush=True)
        signed_in = run_schemathesis(server.url, scratch, "--header", f"Authorization:Bearer {key}")
        alive = server.process.poll() is None and server.get("/readyz").status_code == 200
        if not alive:
            print("the server is no longer ready:", server.output()[-4000:], sep="\n")
        return 0 if alive and stranger == 0 and signed_in == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
