"""The program under test, with record.c between it and its data folder."""

import os
import sqlite3
import struct
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import server
from calls import Calls
from contract import Refusal
from server import Server

HERE = Path(__file__).resolve().parent
# Passwords as cheap as they may be, and nobody held up; a fixed issuer, because images are looked at on other ports; times
# long enough for that, too.
SETTINGS = {
    "ISSUER": "http://localhost:8080",
    "LOG": "warn",
    "LIMITS_ENABLED": "false",
    "PASSWORDS_MEMORY_KIB": "8192",
    "PASSWORDS_ITERATIONS": "5",
    "SIGNUP_DIFFICULTY": "1",
    "SIGNUP_NETWORK_THRESHOLD": "1000000",
    "SIGNUP_SERVER_THRESHOLD": "1000000",
    "SIGNUP_CHALLENGE_LIFETIME": "1h",
    "TOKENS_ACCESS_LIFETIME": "1d",
    "TOKENS_REFRESH_RETRY_WINDOW": "1m",
    "KEYS_PUBLISH_BEFORE": "0s",
}
FAIL_WRITES, FAIL_SYNCS = 1, 2
PASSWORD = "a long enough secret"
ADMINISTRATOR = "root@example.com"


def compile_shim(folder: Path) -> Path:
    """Builds record.c, with the compiler that Rust links with."""
    library = folder / "record.so"
    options = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *options, "-o", library, HERE / "record.c", "-ldl", "-lpthread"], check=True)
    return library


class Program(Server):
    """A server in a folder, which can be started again and again."""

    shim: Path

    def __init__(self, folder: Path, **settings: str):
        folder.mkdir(exist_ok=True)
        super().__init__(folder.resolve(), **SETTINGS | settings)
        self.data = self.folder / "data"
        self.record, self._control = self.folder / "record", self.folder / "control"
        self.calls = Calls(self.address)
        self.administrator = ""
        self.control()

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_) -> None:
        self.calls.close()
        super().__exit__()

    def run(self, recording: bool = False, kill: str = "") -> float:
        """Starts it, and gives the seconds until it was ready. With `kill` it ends at a named point: see record.c."""
        variables = {"LD_PRELOAD": str(self.shim), "CRASH_FOLDER": str(self.data), "CRASH_CONTROL": str(self._control)}
        if recording:
            variables["CRASH_RECORD"] = str(self.record)
        if kill:
            variables["CRASH_KILL"] = kill
        begun = time.monotonic()
        os.environ.update(variables)
        try:
            self.start()
        finally:
            for name in variables:
                del os.environ[name]
        took = time.monotonic() - begun
        self.calls.connect()
        return took

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def control(self, failing: int = 0, errno: int = 0, counting: bool = False) -> None:
        """Which calls on files fail from now on, and whether calls are counted to the named point."""
        with self._control.open("r+b" if self._control.exists() else "wb") as file:
            file.write(struct.pack("<iii", failing, errno, counting))

    @contextmanager
    def failing(self, calls: int, errno: int):
        self.control(calls, errno)
        try:
            yield
        finally:
            self.control()

    def recorded(self) -> int:
        """How long the record is: whatever is acknowledged by now must hold in every image of a cut from here on."""
        return self.record.stat().st_size

    def appoint(self) -> None:
        """Makes the administrator, whose API key all administration goes by."""
        fields = {"email": ADMINISTRATOR, "password": PASSWORD, "session_client_id": "countersign"}
        made = self.calls.call("AccountService.CreateAccount", **fields)
        variables = server.environment() | {f"COUNTERSIGN_{name}": value for name, value in self._settings.items()}
        subprocess.run([server.binary(), "admin", "grant", ADMINISTRATOR], env=variables, check=True, capture_output=True)
        token = made.tokens.access_token
        key = self.calls.call("ApiKeyService.CreateApiKey", bearer=token, api_key={"display_name": "root"})
        self.administrator = key.secret

    def takes_sign_ups(self, name: str) -> bool:
        """Whether somebody can sign up, or could before, which needs all of the server."""
        try:
            self.calls.call("AccountService.CreateAccount", email=f"{name}@example.com", password=PASSWORD)
        except Refusal as refusal:
            return refusal.reason == "EMAIL_ALREADY_EXISTS"
        return True

    def damage(self) -> str:
        """What SQLite finds wrong with the data file; empty when it is whole, or when the data is elsewhere."""
        if "DATABASE_URL" in self._settings:
            return ""
        with sqlite3.connect(f"file:{self.data}/countersign.db?mode=ro", uri=True) as database:
            found = database.execute("PRAGMA integrity_check").fetchall()
            found += database.execute("PRAGMA foreign_key_check").fetchall()
        database.close()
        return "" if found == [("ok",)] else str(found[:5])
