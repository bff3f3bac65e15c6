"""OAuth with the clients of others: Authlib and requests-oauthlib sign people in on the hosted pages, and get, refresh,
introspect and revoke tokens."""

import os
from urllib.parse import parse_qsl, urlsplit

# The servers of these tests speak plain HTTP on this machine, which both libraries have to be told.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"

import pytest  # noqa: E402
import requests  # noqa: E402
from authlib.common.security import generate_token  # noqa: E402
from authlib.integrations.base_client import BaseApp, OAuth2Mixin, OpenIDMixin  # noqa: E402
from authlib.integrations.base_client.errors import OAuthError  # noqa: E402
from authlib.integrations.requests_client import OAuth2Session  # noqa: E402
from joserfc.errors import InvalidClaimError  # noqa: E402
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError  # noqa: E402
from requests_oauthlib import OAuth2Session as RequestsSession  # noqa: E402

from pages import visit  # noqa: E402

CALLBACK = "https://app.example.com/callback"


def register(base: str, method: str) -> dict:
    metadata = {"client_name": "Tests", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method}
    answer = requests.post(f"{base}/oauth/register", json=metadata, timeout=20)
    assert answer.status_code == 201, answer.text
    return answer.json()


@pytest.mark.parametrize("method", ["none", "client_secret_basic", "client_secret_post"])
def test_authlib_goes_the_whole_way(server, person, method):
    base = f"http://{server.address}"
    client = register(base, method)
    session = OAuth2Session(
        client["client_id"],
        client.get("client_secret"),
        token_endpoint_auth_method=method,
        scope="mcp offline_access",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        token_endpoint=f"{base}/oauth/token",
    )
    verifier = generate_token(64)
    url, state = session.create_authorization_url(f"{base}/oauth/authorize", code_verifier=verifier)
    callback = visit(base, url, person)
    token = session.fetch_token(authorization_response=callback, code_verifier=verifier, state=state)
    assert (token["token_type"], token["scope"], token["expires_in"]) == ("Bearer", "mcp offline_access", 3600)
    me = session.get(f"{base}/v1/accounts/me", timeout=20)
    assert me.json()["account"]["email"] == person.email

    following = session.refresh_token(f"{base}/oauth/token")
    assert following["refresh_token"] != token["refresh_token"]
    # Whoever asks shows who they are, which a client without a secret cannot.
    if method != "none":
        live = session.introspect_token(f"{base}/oauth/introspect", token=following["access_token"]).json()
        assert (live["active"], live["client_id"], live["iss"]) == (True, client["client_id"], base)
    assert session.revoke_token(f"{base}/oauth/revoke", token=following["refresh_token"]).status_code == 200
    assert session.get(f"{base}/v1/accounts/me", timeout=20).status_code == 401
    with pytest.raises(OAuthError) as refused:
        session.refresh_token(f"{base}/oauth/token", refresh_token=following["refresh_token"])
    assert refused.value.error == "invalid_grant"


class OpenIDApp(OAuth2Mixin, OpenIDMixin, BaseApp):
    """Authlib's client of OpenID Connect, as its integrations for web frameworks have it."""

    client_cls = OAuth2Session


def test_authlib_refuses_an_access_token_that_is_not_of_the_id_token(server, person):
    base = f"http://{server.address}"
    app = OpenIDApp(
        None,
        name="countersign",
        client_id=register(base, "none")["client_id"],
        server_metadata_url=f"{base}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256", "token_endpoint_auth_method": "none"},
    )

    def signs_in():
        begun = app.create_authorization_url(CALLBACK)
        back = dict(parse_qsl(urlsplit(visit(base, begun["url"], person)).query))
        verifier = begun["code_verifier"]
        return app.fetch_access_token(code=back["code"], code_verifier=verifier, redirect_uri=CALLBACK), begun["nonce"]

    (token, nonce), (another, _) = signs_in(), signs_in()
    assert app.parse_id_token(token, nonce)["email"] == person.email
    with pytest.raises(InvalidClaimError, match="at_hash"):
        app.parse_id_token({**token, "access_token": another["access_token"]}, nonce)
    with pytest.raises(InvalidClaimError, match="nonce"):
        app.parse_id_token(token, "another")


def test_requests_oauthlib_goes_the_whole_way(server, person):
    base = f"http://{server.address}"
    client = register(base, "client_secret_basic")
    session = RequestsSession(client["client_id"], redirect_uri=CALLBACK, scope=["mcp"], pkce="S256")
    url, state = session.authorization_url(f"{base}/oauth/authorize")
    callback = visit(base, url, person)
    assert dict(parse_qsl(urlsplit(callback).query))["state"] == state
    with pytest.raises(InvalidClientError):
        session.fetch_token(f"{base}/oauth/token", authorization_response=callback, client_secret="wrong")
    token = session.fetch_token(
        f"{base}/oauth/token", authorization_response=callback, client_secret=client["client_secret"]
    )
    assert token["scope"] == ["mcp"]
    assert session.get(f"{base}/v1/accounts/me", timeout=20).status_code == 200
    # A code is redeemed once, and whoever tries again takes back what it gave.
    with pytest.raises(InvalidGrantError):
        session.fetch_token(
            f"{base}/oauth/token", authorization_response=callback, client_secret=client["client_secret"]
        )
    assert session.get(f"{base}/v1/accounts/me", timeout=20).status_code == 401
