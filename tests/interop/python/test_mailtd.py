"""Mail.td, by the calls of its own documentation: a challenge, an account, its token, and a Pro user's."""

import hashlib
import itertools
import re
import time

import pytest
import requests

from server import Server

PASSWORD = "supersecret"
WEEK = 7 * 24 * 60 * 60
UNAUTHORIZED = {"error": "invalid_or_expired_token"}


class MailTd:
    """The API under one base URL, as a program uses it."""

    def __init__(self, server: Server):
        self.url = server.url

    def call(self, method: str, path: str, token: str | None = None, **options) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return requests.request(method, self.url + path, headers=headers, timeout=20, **options)

    def solves_a_challenge(self) -> dict:
        challenge = self.call("GET", "/api/challenge").json()
        assert challenge["difficulty"] == 20
        assert challenge["algorithm"] == "sha256"
        assert 0 < challenge["expires_at"] - time.time() * 1000 <= 300_000
        bound = 1 << (256 - challenge["difficulty"])
        for nonce in map(str, itertools.count()):
            digest = hashlib.sha256((challenge["salt"] + nonce).encode()).digest()
            if int.from_bytes(digest) < bound:
                return {"id": challenge["id"], "nonce": nonce}

    def creates_a_free_account(self, address: str, pow: dict | None = None) -> requests.Response:
        pow = pow or self.solves_a_challenge()
        return self.call("POST", "/api/accounts", json={"address": address, "password": PASSWORD, "pow": pow})

    def creates_an_account(self, token: str, address: str) -> requests.Response:
        return self.call("POST", "/api/accounts", token, json={"address": address, "password": PASSWORD})

    def signs_in(self, address: str) -> requests.Response:
        return self.call("POST", "/api/token", json={"address": address, "password": PASSWORD})

    def logs_in(self, email: str) -> requests.Response:
        return self.call("POST", "/api/user/login", json={"email": email, "password": PASSWORD})

    def status_of(self, account: str, token: str) -> int:
        return self.call("GET", f"/api/accounts/{account}", token).status_code


@pytest.fixture(scope="module")
def mailtd(server):
    return MailTd(server)


def test_a_free_user_gets_by_with_three_calls(mailtd):
    made = mailtd.creates_a_free_account("demo@mail.td")
    assert made.status_code == 201
    made = made.json()
    assert made.keys() == {"id", "address", "token"}
    assert made["token"].startswith("eyJ")

    signed_in = mailtd.signs_in("demo@mail.td")
    assert signed_in.status_code == 200
    signed_in = signed_in.json()
    assert (signed_in["id"], signed_in["address"]) == (made["id"], "demo@mail.td")

    read = mailtd.call("GET", f"/api/accounts/{made['id']}", signed_in["token"])
    assert read.status_code == 200
    assert (read.json()["id"], read.json()["address"]) == (made["id"], "demo@mail.td")

    deleted = mailtd.call("DELETE", f"/api/accounts/{made['id']}", made["token"])
    assert (deleted.status_code, deleted.content) == (204, b"")
    for token in (made["token"], signed_in["token"], "tm_pro_xxxxxxxxxxxxxxxxxxxx", None):
        gone = mailtd.call("GET", f"/api/accounts/{made['id']}", token)
        assert (gone.status_code, gone.json()) == (401, UNAUTHORIZED)


def test_a_solution_is_good_for_one_account(mailtd):
    pow = mailtd.solves_a_challenge()
    assert mailtd.creates_a_free_account("once@mail.td", pow).status_code == 201
    again = mailtd.creates_a_free_account("twice@mail.td", pow)
    assert (again.status_code, again.json()) == (400, {"error": "challenge_invalid"})
    without = mailtd.call("POST", "/api/accounts", json={"address": "twice@mail.td", "password": PASSWORD})
    assert (without.status_code, without.json()) == (400, {"error": "challenge_required"})
    assert mailtd.signs_in("twice@mail.td").status_code == 401


def test_somebody_elses_account_looks_like_none(mailtd):
    mine, theirs = (mailtd.creates_a_free_account(address).json() for address in ("mine@mail.td", "theirs@mail.td"))
    answers = [
        mailtd.call(method, f"/api/accounts/{id}", mine["token"])
        for method in ("GET", "DELETE")
        for id in (theirs["id"], "01890000-0000-7000-8000-000000000000", "me", "x")
    ]
    assert {(answer.status_code, answer.text) for answer in answers} == {(404, '{"error":"account_not_found"}')}
    assert mailtd.status_of(theirs["id"], theirs["token"]) == 200


def test_a_pro_user_looks_after_an_organization(tmp_path):
    with Server(tmp_path, LIMITS_ENABLED="false") as server:
        mailtd = MailTd(server)
        assert mailtd.creates_a_free_account("user@example.com").status_code == 201
        free = mailtd.logs_in("user@example.com").json()
        assert (free["plan"], free["status"]) == ("free", "active")
        refused = mailtd.call("POST", "/api/user/tokens", free["token"], json={"name": "ci"})
        assert (refused.status_code, refused.json()["error"]) == (403, "permission_denied")

        server.admin("set-plan", "user@example.com", "pro")
        user = mailtd.logs_in("user@example.com").json()
        assert user.keys() == {"user_id", "email", "plan", "status", "token", "expires_at"}
        assert (user["email"], user["plan"]) == ("user@example.com", "pro")
        assert abs(user["expires_at"] / 1000 - time.time() - WEEK) < 60

        made = mailtd.call("POST", "/api/user/tokens", user["token"], json={"name": "ci"})
        assert made.status_code == 201
        secret, id = made.json()["token"], made.json()["id"]
        assert re.fullmatch(r"tm_pro_[0-9A-Za-z]{49}", secret)
        listed = mailtd.call("GET", "/api/user/tokens", secret)
        assert [token["id"] for token in listed.json()["tokens"]] == [id]
        assert secret not in listed.text

        box = mailtd.creates_an_account(secret, "box@mail.td")
        assert box.status_code == 201
        box = box.json()
        for token in (user["token"], secret, box["token"]):
            assert mailtd.status_of(box["id"], token) == 200
        assert mailtd.status_of(user["user_id"], box["token"]) == 404
        stays = mailtd.call("DELETE", f"/api/accounts/{user['user_id']}", secret)
        assert (stays.status_code, stays.json()) == (409, {"error": "organization_not_empty"})
        assert mailtd.call("DELETE", f"/api/accounts/{box['id']}", secret).status_code == 204
        assert mailtd.status_of(box["id"], box["token"]) == 401

        assert mailtd.call("DELETE", f"/api/user/tokens/{id}", user["token"]).status_code == 204
        gone = mailtd.call("GET", "/api/user/tokens", secret)
        assert (gone.status_code, gone.json()) == (401, UNAUTHORIZED)
