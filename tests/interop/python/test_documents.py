"""The programs of the products' documents, from top to bottom and twice in a row, against a server with the limits on
sign-ups and log-ins that it starts with. The limit on calls is higher: these programs run faster than their documents are read."""

import subprocess

import pytest
import requests

from server import Server

EMAIL, PASSWORD = "user@example.com", "secure_password_123"


@pytest.fixture
def base(tmp_path):
    with Server(tmp_path, LIMITS_PUBLIC_PER_SECOND="100", LIMITS_FREE_PER_SECOND="100") as server:
        yield server.url


def curl(*arguments: str) -> tuple[int, str]:
    command = ["curl", "-sS", "-w", "\n%{http_code}", *arguments]
    body, status = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.rsplit("\n", 1)
    return int(status), body


def test_mailkite_signs_up_or_logs_in(base):
    seen = []
    for _ in range(2):
        r = requests.post(f"{base}/api/auth/signup", json={"email": "you@example.com", "password": PASSWORD}, timeout=10)
        seen.append(r.status_code)
        if r.status_code == 409:
            r = requests.post(f"{base}/api/auth/login", json={"email": "you@example.com", "password": PASSWORD}, timeout=10)
            assert r.status_code == 200
        token = r.json()["token"]
        me = requests.get(f"{base}/oauth/me", headers={"Authorization": f"Bearer {token}"}, timeout=10)
        assert me.json()["email_address"] == "you@example.com"
    assert seen == [201, 409]


def test_mailkite_signs_up_with_curl(base):
    body = '{ "email": "you@example.com", "password": "••••••••" }'
    for expected in (201, 409):
        status, _ = curl(f"{base}/api/auth/signup", "-H", "Content-Type: application/json", "-d", body)
        assert status == expected


@pytest.mark.parametrize("prefix", ["/v1/auth", "/auth"])
def test_momail_registers_and_logs_in(base, prefix):
    for expected in (201, 409):
        registered = requests.post(
            f"{base}{prefix}/register", json={"email": EMAIL, "password": PASSWORD, "name": "John Doe"}, timeout=10
        )
        assert registered.status_code == expected
        logged_in = requests.post(f"{base}{prefix}/login", json={"email": EMAIL, "password": PASSWORD}, timeout=10)
        data = logged_in.json()["data"]
        assert data["expiresIn"] == 3600
        refreshed = requests.post(f"{base}{prefix}/refresh", json={"refreshToken": data["refreshToken"]}, timeout=10)
        token = refreshed.json()["data"]["accessToken"]
        bearer = {"Authorization": f"Bearer {token}"}
        out = requests.post(f"{base}{prefix}/logout", headers=bearer, timeout=10)
        assert out.json() == {"success": True, "data": {"message": "Logged out successfully"}}


def test_smtpd_grants_refreshes_and_revokes(base):
    made = requests.post(f"{base}/auth/register", json={"email": EMAIL, "password": PASSWORD, "name": "Jack"}, timeout=10)
    assert made.status_code == 201
    for _ in range(2):
        grant = requests.post(
            f"{base}/oauth/token?grant_type=password", json={"username": EMAIL, "password": PASSWORD}, timeout=10
        ).json()
        assert (grant["token_type"], grant["Scope"]) == ("bearer", ["admin"])
        refresh_token = {"refresh_token": grant["refresh_token"]}
        again = requests.post(f"{base}/oauth/token?grant_type=refresh_token", json=refresh_token, timeout=10).json()
        assert again["refresh_token"] == grant["refresh_token"]
        # "Provide your API key as the basic auth username value. You do not need to provide a password."
        status, _ = curl(f"{base}/oauth/me", "-u", f"{again['access_token']}:")
        assert status == 200
        assert requests.post(f"{base}/oauth/revoke", json=refresh_token, timeout=10).status_code == 200
        revoked = requests.post(f"{base}/oauth/revoke", json=refresh_token, timeout=10)
        assert (revoked.status_code, revoked.json()["code"]) == (401, 40106)
