"""Schemathesis against the server's own /openapi.json, once as a stranger and once signed in.

Requests are made without chance; between runs only what the server itself makes up in them differs, such as ids.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from fuzz_hooks import EMAIL, PASSWORD
from server import temporary_server

# Every check that schemathesis has: also that what the document forbids is refused, and what it allows is not.
CHECKS = "all"
EXAMPLES = "20"
# Otherwise it signs up by itself at the path that looks like it, and is no stranger any more.
CONFIGURATION = f"""
hooks = "{Path(__file__).with_name("fuzz_hooks.py")}"

[auth]
auto-signup = false

# A free sign-up at Mail.td needs the solution of a challenge; one that lacks it is refused, though it has the right form.
[[operations]]
include-name = "POST /api/accounts"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", "400", "409"]
"""


def run_schemathesis(url: str, folder: str, *options: str) -> int:
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json",
        "--checks", CHECKS, "--phases", "examples,coverage,fuzzing",
        "--max-examples", EXAMPLES, "--generation-deterministic",
        "--workers", "1", "--continue-on-failure", "--request-timeout", "10", "--warnings", "off", "--no-color", *options,
    ]
    return subprocess.run(command, cwd=folder, check=False).returncode


def statuses(log: str) -> str:
    counted = Counter(re.findall(r' status=(\d+)', log))
    return ", ".join(f"{status} {count}x" for status, count in sorted(counted.items()))


def main() -> int:
    folder, server = temporary_server(LIMITS_ENABLED="false")
    with folder, tempfile.TemporaryDirectory() as scratch, server:
        Path(scratch, "schemathesis.toml").write_text(CONFIGURATION)
        account = {"email": EMAIL, "password": PASSWORD, "apiKeyKind": "API_KEY_KIND_STANDARD"}
        answer = server.post("/v1/accounts", json=account)
        answer.raise_for_status()
        key = answer.json()["apiKeySecret"]
        signature = {"Authorization": f"Bearer {key}"}
        print("-- as a stranger", flush=True)
        stranger = run_schemathesis(server.url, scratch)
        print("-- signed in", flush=True)
        signed_in = run_schemathesis(server.url, scratch, "--header", f"Authorization:Bearer {key}")
        # Had a request ended the account or its key, the rest would have been refused and proven little.
        still_in = server.get("/v1/accounts/me", headers=signature).status_code == 200
        if not still_in:
            print("the run lost its credential on the way")
        alive = server.process.poll() is None and server.get("/readyz").status_code == 200
        if not alive:
            print("the server is no longer ready:", server.output()[-4000:], sep="\n")
        print("what it was answered:", statuses(server.output()))
        return 0 if alive and still_in and stranger == 0 and signed_in == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
