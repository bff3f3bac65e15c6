"""How long other writes wait while an account with 100,000 sessions is deleted.

    benches/deletion.py target/release/countersign [postgres://… of an empty database, with psql]

Prints one line of JSON, in milliseconds: the deletion itself, and the writes of another account before it and until
the last row is purged. Everything stays on loopback.
"""

import json
import os
import secrets
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid
from contextlib import closing, contextmanager
from pathlib import Path

SESSIONS = 100_000
PASSWORD = "correct horse battery"
BINARY, URL = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None
COLUMNS = {
    "sessions": "id, account_id, amr, created_at, expires_at, client_address, user_agent",
    "grants": "id, session_id, account_id, client_id, scopes, audience, outlives_session, created_at, refreshed_at, expires_at",
    "refresh_tokens": "hash, grant_id, created_at",
}


def call(base, path, method="GET", body=None, token=None):
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(base + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@contextmanager
def server(folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    settings = {"LISTEN": address, "DATA_DIR": str(folder), "LIMITS_ENABLED": "false", "METRICS_ENABLED": "false", "LOG": "warn"}
    if URL:
        settings["DATABASE_URL"] = URL
    others = {name: value for name, value in os.environ.items() if not name.startswith("COUNTERSIGN_")}
    process = subprocess.Popen([BINARY, "serve"], env=others | {f"COUNTERSIGN_{name}": value for name, value in settings.items()})
    try:
        for _ in range(400):
            try:
                call(f"http://{address}", "/readyz")
                break
            except OSError:
                time.sleep(0.05)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def log_in(base, name):
    return call(base, "/v1/sessions", "POST", {"email": f"{name}@example.com", "password": PASSWORD})["tokens"]["accessToken"]


def rows(account):
    """Sessions that began one in a millisecond until now, each with a grant and a refresh token of it."""
    now = int(time.time() * 1000)
    end = now + 10**9
    for at in range(now - SESSIONS, now):
        # A session and its grant have one id: they stand in different tables.
        id = uuid.UUID(int=at << 80 | 7 << 76 | 2 << 62 | secrets.randbits(62))
        yield {
            "sessions": (id, account, "pwd", now, end, "127.0.0.1", "benchmark"),
            "grants": (id, id, account, "countersign", "account", "", False, now, now, end),
            "refresh_tokens": (secrets.token_bytes(32), id, now),
        }


def fill(folder, account):
    """A hundred thousand sessions."""
    made = list(rows(account))
    for table, columns in COLUMNS.items():
        values = [row[table] for row in made]
        if URL:
            copy(folder / f"{table}.csv", f"{table}({columns})", values)
        else:
            insert(folder / "countersign.db", f"{table}({columns})", values)


def insert(file, table, values):
    blob = lambda value: value.bytes if isinstance(value, uuid.UUID) else value
    with closing(sqlite3.connect(file)) as base:
        marks = ",".join("?" * len(values[0]))
        base.executemany(f"INSERT INTO {table} VALUES ({marks})", (tuple(map(blob, row)) for row in values))
        base.commit()
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def copy(file, table, values):
    text = lambda value: f"\\x{value.hex()}" if isinstance(value, bytes) else f'"{value}"'
    file.write_text("".join(",".join(map(text, row)) + "\n" for row in values))
    subprocess.run(["psql", URL, "-qc", f"\\copy {table} from '{file}' csv"], check=True)


def left(folder):
    count = "SELECT COUNT(*) FROM sessions"
    if URL:
        return int(subprocess.run(["psql", URL, "-Atc", count], capture_output=True, check=True).stdout)
    with closing(sqlite3.connect(f"file:{folder}/countersign.db?mode=ro", uri=True)) as base:
        return base.execute(count).fetchone()[0]


def figures(times):
    times = sorted(times)
    at = lambda part: round(times[min(len(times) - 1, int(len(times) * part))] * 1000, 1)
    return {"writes": len(times), "p50": at(0.5), "p99": at(0.99), "longest": at(1)}


def main():
    folder = Path(tempfile.mkdtemp(prefix="countersign-deletion-"))
    with server(folder) as base:
        for name in ("big", "other"):
            call(base, "/v1/accounts", "POST", {"email": f"{name}@example.com", "password": PASSWORD})
        name = call(base, "/v1/accounts/me", token=log_in(base, "big"))["account"]["name"]
    fill(folder, uuid.UUID(name.removeprefix("accounts/")))
    times, stop = [], threading.Event()
    with server(folder) as base:
        big, other = log_in(base, "big"), log_in(base, "other")

        def write():
            while not stop.is_set():
                begun = time.monotonic()
                body = {"displayName": f"at {begun}"}
                call(base, "/v1/accounts/me?updateMask=displayName", "PATCH", body, other)
                times.append((begun, time.monotonic() - begun))
                time.sleep(0.002)

        writer = threading.Thread(target=write, daemon=True)
        writer.start()
        time.sleep(3)
        begun = time.monotonic()
        call(base, "/v1/accounts/me", "DELETE", token=big)
        deleted = time.monotonic() - begun
        try:
            sys.exit(f"a deleted account reads {call(base, '/v1/accounts/me', token=big)}")
        except urllib.error.HTTPError as refused:
            assert refused.code == 401, refused.code
        while left(folder) > 10:
            time.sleep(0.2)
        ended = time.monotonic()
        stop.set()
        writer.join()
    before = [took for at, took in times if at + took < begun]
    during = [took for at, took in times if begun <= at + took and at <= ended]
    print(json.dumps({
        "engine": "Postgres" if URL else "SQLite",
        "deletion": round(deleted * 1000, 1),
        "purged within": round((ended - begun) * 1000),
        "before": figures(before),
        "meanwhile": figures(during),
    }))


main()
