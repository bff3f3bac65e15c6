"""MCP's own library for Python: its client finds this server, registers itself, signs a person in on the hosted pages, and
calls a tool of an MCP server that checks tokens by the published keys."""

import threading
from urllib.parse import parse_qs, urlsplit

import anyio
import httpx2
import jwt
import pytest
import uvicorn
from mcp import ClientSession
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider, OAuthFlowError
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientMetadata

from pages import visit
from ports import free_port

CALLBACK = "http://127.0.0.1:3999/callback"


class Verifier:
    """Takes tokens that this server has signed for the MCP server."""

    def __init__(self, issuer: str, resource: str):
        self.issuer, self.resource = issuer, resource
        self.keys = jwt.PyJWKClient(f"{issuer}/.well-known/jwks.json")

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            key = self.keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(token, key, algorithms=["ES256", "RS256"], issuer=self.issuer, audience=self.resource)
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["client_id"],
            scopes=claims["scope"].split(),
            expires_at=claims["exp"],
            resource=self.resource,
            subject=claims["sub"],
        )


class Memory:
    """What a client keeps."""

    def __init__(self):
        self.kept, self.client = None, None

    async def get_tokens(self):
        return self.kept

    async def set_tokens(self, tokens):
        self.kept = tokens

    async def get_client_info(self):
        return self.client

    async def set_client_info(self, client_info):
        self.client = client_info


@pytest.fixture(scope="module")
def mcp_server(server):
    issuer = f"http://{server.address}"
    port = free_port()
    resource = f"http://127.0.0.1:{port}/mcp"
    settings = AuthSettings(
        issuer_url=issuer, resource_server_url=resource, required_scopes=["mcp"], validate_token_resource=True
    )
    notes = MCPServer("notes", token_verifier=Verifier(issuer, resource), auth=settings)

    @notes.tool()
    def who_am_i() -> str:
        """Tells whose account this is."""
        return get_access_token().subject

    running = uvicorn.Server(uvicorn.Config(notes.streamable_http_app(), port=port, log_level="warning"))
    thread = threading.Thread(target=running.run)
    thread.start()
    while not running.started:
        assert thread.is_alive()
        thread.join(0.01)
    yield resource
    running.should_exit = True
    thread.join()


def provider(base: str, resource: str, memory: Memory, person, decision="allow"):
    asked = []

    async def redirect(url):
        asked.append(url)

    async def callback():
        back = await anyio.to_thread.run_sync(visit, base, asked[-1], person, decision)
        parameters = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        if "error" in parameters:
            raise OAuthFlowError(parameters["error"])
        return AuthorizationCodeResult(code=parameters["code"], state=parameters["state"], iss=parameters["iss"])

    metadata = OAuthClientMetadata(client_name="Tests", redirect_uris=[CALLBACK])
    return OAuthClientProvider(resource, metadata, memory, redirect, callback), asked


async def who_am_i(auth, resource: str) -> str:
    async with httpx2.AsyncClient(auth=auth) as http, streamable_http_client(resource, http_client=http) as (read, write, *_):
        async with ClientSession(read, write) as session:
            await session.initialize()
            answer = await session.call_tool("who_am_i", {})
            return answer.content[0].text


def test_a_client_signs_a_person_in_and_refreshes(server, person, mcp_server):
    base, memory = f"http://{server.address}", Memory()
    auth, asked = provider(base, mcp_server, memory, person)
    account = person.account.name.removeprefix("accounts/")
    assert anyio.run(who_am_i, auth, mcp_server) == account
    assert parse_qs(urlsplit(asked[0]).query)["resource"] == [mcp_server]

    # Another run of the program: what it has kept is refused, so it refreshes and does not ask the person.
    first = memory.kept
    memory.kept = first.model_copy(update={"access_token": "worthless", "expires_in": -1})
    again, asked = provider(base, mcp_server, memory, person)
    assert anyio.run(who_am_i, again, mcp_server) == account
    assert memory.kept.access_token not in ("worthless", first.access_token)


def test_a_client_learns_that_the_person_said_no(server, person, mcp_server):
    auth, _ = provider(f"http://{server.address}", mcp_server, Memory(), person, "deny")
    with pytest.raises(BaseException) as refused:
        anyio.run(who_am_i, auth, mcp_server)
    assert "access_denied" in repr(refused.value) or "access_denied" in str(refused.getrepr())
