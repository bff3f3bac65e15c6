"""The program under test, started for real on a free port of this machine with a folder of its own."""

import json
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import requests

from ports import free_port

ROOT = Path(__file__).resolve().parents[3]
START_TIMEOUT = 30.0
# The program promises to be gone ten seconds after SIGTERM.
STOP_TIMEOUT = 11.0


def binary() -> Path:
    """The program: $COUNTERSIGN_BIN, else the debug build."""
    return Path(os.environ.get("COUNTERSIGN_BIN", ROOT / "target/debug/countersign"))


def environment() -> dict[str, str]:
    """The variables without those that set the program up, or the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}


class Server:
    """A running program. Settings are environment variables without their COUNTERSIGN_ prefix."""

    def __init__(self, folder: Path, **settings: str):
        self.folder = folder
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        own = {"LISTEN": self.address, "DATA_DIR": str(folder / "data"), "METRICS_ENABLED": "false"}
        self._settings = own | settings
        self._ca = None
        if "TLS_CERT" in settings:
            self._ca = settings["TLS_CERT"]
        self.url = f"{'https' if self._ca else 'http'}://{self.address}"
        self.process: subprocess.Popen | None = None

    def __enter__(self) -> "Server":
        self.start()
        return self

    def __exit__(self, *_) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def start(self) -> None:
        settings = {f"COUNTERSIGN_{name}": value for name, value in self._settings.items()}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [binary()], env=environment() | settings, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )
        self._wait_until_ready()

    def get(self, path: str, **options) -> requests.Response:
        return requests.get(self.url + path, verify=self._ca or True, timeout=10, **options)

    def post(self, path: str, **options) -> requests.Response:
        return requests.post(self.url + path, verify=self._ca or True, timeout=10, **options)

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        """The program's command line, beside this server."""
        data = {"COUNTERSIGN_DATA_DIR": str(self.folder / "data"), "COUNTERSIGN_LOG": "error"}
        return subprocess.run(
            [binary(), *arguments],
            env=environment() | data,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def admin(self, *arguments: str):
        """What `countersign admin` prints as JSON."""
        done = self.command("admin", *arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def wait(self) -> int:
        """The exit code, which must come within the promised time."""
        return self.process.wait(STOP_TIMEOUT)

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.output()}")
            try:
                if self.get("/readyz").status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            time.sleep(0.02)
        raise RuntimeError(f"the server was not ready after {START_TIMEOUT} s:\n{self.output()}")


def temporary_server(**settings: str):
    """A folder for a server, removed with everything in it when the program that asked is done."""
    folder = tempfile.TemporaryDirectory(prefix="countersign-")
    return folder, Server(Path(folder.name), **settings)
