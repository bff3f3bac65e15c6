"""What was acknowledged outlives the process, whenever it is killed."""

import random
import statistics
import threading
import time

import requests

from server import Server

ROUNDS = 12
CLIENTS = 4
PASSWORD = "a long enough secret"
# How soon after a crash the service must answer again, as a rule: one start may have to wait for other programs.
READY_WITHIN = 2.0
# How long anything may take before it counts as stuck.
PATIENCE = 30


def post(server, path, body, token=None):
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return requests.post(server.url + path, json=body, headers=headers, timeout=10)


def signs_up_and_out(server, name, live, ended, acknowledged):
    """Signs up again and again and logs every other session out, until the server is gone."""
    number = 0
    try:
        while True:
            number += 1
            body = {"email": f"{name}-{number}@example.com", "password": PASSWORD, "sessionClientId": "countersign"}
            made = post(server, "/v1/accounts", body)
            assert made.status_code == 200, made.text
            token = made.json()["tokens"]["accessToken"]
            if number % 2:
                live.append(token)
                acknowledged.release()
                continue
            gone = requests.delete(
                server.url + "/v1/sessions/current", headers={"authorization": f"Bearer {token}"}, timeout=10
            )
            assert gone.status_code == 200, gone.text
            ended.append(token)
            acknowledged.release()
    except requests.RequestException:
        pass


def test_a_killed_server_keeps_every_acknowledged_write_and_revocation(tmp_path):
    moments = random.Random(20)
    live, ended, starts = [], [], []
    with Server(tmp_path, LIMITS_ENABLED="false") as server:
        for round in range(ROUNDS):
            acknowledged = threading.Semaphore(0)
            clients = [
                threading.Thread(target=signs_up_and_out, args=(server, f"r{round}c{client}", live, ended, acknowledged))
                for client in range(CLIENTS)
            ]
            for client in clients:
                client.start()
            # Counted, not timed: a busy machine gets as far as an idle one. The other clients are in the midst of a call.
            for _ in range(moments.randint(6, 24)):
                assert acknowledged.acquire(timeout=PATIENCE)
            server.process.kill()
            server.process.wait()
            for client in clients:
                client.join()
            begun = time.monotonic()
            server.start()
            starts.append(time.monotonic() - begun)
        assert statistics.median(starts) < READY_WITHIN, starts
        # Every client begins with a sign-up and takes turns, so at least one of six ended a session.
        assert len(live) >= ROUNDS and len(ended) >= ROUNDS
        for tokens, status in [(live, 200), (ended, 401)]:
            for token in tokens:
                answer = requests.get(
                    server.url + "/v1/accounts/me", headers={"authorization": f"Bearer {token}"}, timeout=10
                )
                assert answer.status_code == status, answer.text
