// MCP clients of the SDKs sign people in to an MCP server that trusts this server: by discovery, registration or a client
// document, the hosted pages, and refreshing.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as v2 from "@modelcontextprotocol/client";
import { UnauthorizedError as V1UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client as V1Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as V1Transport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { startDocument } from "./document.mjs";
import { startMcpServer } from "./mcp_server.mjs";
import { signUp } from "./person.mjs";
import { freePort, startServer } from "./server.mjs";

const SDKS = {
  "the first SDK": { Client: V1Client, Transport: V1Transport, UnauthorizedError: V1UnauthorizedError },
  "the second SDK": { Client: v2.Client, Transport: v2.StreamableHTTPClientTransport, UnauthorizedError: v2.UnauthorizedError },
};

// What a program keeps of its connection, as the SDKs ask for it.
class Memory {
  constructor(redirectUrl, metadata = {}) {
    this.redirectUrl = redirectUrl;
    this.clientMetadata = { client_name: "Example", redirect_uris: [redirectUrl], ...metadata };
  }
  state = () => "state-of-the-client";
  clientInformation = () => this.client;
  saveClientInformation = (client) => void (this.client = client);
  tokens = () => this.kept;
  saveTokens = (tokens) => void (this.kept = tokens);
  redirectToAuthorization = (url) => void (this.address = url);
  saveCodeVerifier = (verifier) => void (this.verifier = verifier);
  codeVerifier = () => this.verifier;
  invalidateCredentials = (scope) => {
    if (scope === "all" || scope === "client") this.client = undefined;
    if (scope === "all" || scope === "tokens") this.kept = undefined;
  };
}

let server;
let mcp;
let document;
before(async () => {
  const port = await freePort();
  document = await startDocument({ client_name: "Of a document", redirect_uris: ["http://localhost/callback"], token_endpoint_auth_method: "none" });
  server = await startServer({ OAUTH_RESOURCES: `http://127.0.0.1:${port}/mcp`, OUTBOUND_TRUSTED_ROOTS_FILE: document.roots });
  mcp = await startMcpServer(server.url, port);
});
after(async () => {
  document?.stop();
  await mcp?.stop();
  assert.equal(await server?.stop(), 0);
});

for (const [name, { Client, Transport, UnauthorizedError }] of Object.entries(SDKS)) {
  describe(name, () => {
    async function connect(memory) {
      const transport = new Transport(new URL(mcp.resource), { authProvider: memory });
      const client = new Client({ name: "example", version: "1" });
      await client.connect(transport);
      return { client, close: () => client.close() };
    }

    async function whoAmI(memory) {
      const { client, close } = await connect(memory);
      const { content } = await client.callTool({ name: "who_am_i", arguments: {} });
      await close();
      return content[0].text;
    }

    // Sends the person's browser where the client wants it, and gives the client what comes back.
    async function finish(memory, person) {
      const answer = await person.visit(memory.address);
      const transport = new Transport(new URL(mcp.resource), { authProvider: memory });
      assert.equal(answer.searchParams.get("state"), "state-of-the-client");
      await transport.finishAuth(Transport === V1Transport ? answer.searchParams.get("code") : answer.searchParams);
    }

    test("registers itself, sends the person to the pages, and calls a tool in their name", async () => {
      const person = await signUp(server);
      const memory = new Memory("http://127.0.0.1:3999/callback");
      await assert.rejects(connect(memory), UnauthorizedError);
      assert.equal(memory.address.searchParams.get("resource"), mcp.resource);
      await finish(memory, person);
      assert.equal(await whoAmI(memory), person.account.name.replace("accounts/", ""));
      assert.ok(memory.kept.refresh_token);
    });

    test("refreshes when its token is refused", async () => {
      const person = await signUp(server);
      const memory = new Memory("http://localhost:3999/callback");
      await assert.rejects(connect(memory), UnauthorizedError);
      await finish(memory, person);
      const { refresh_token, access_token } = memory.kept;
      memory.kept = { ...memory.kept, access_token: "worthless" };
      assert.equal(await whoAmI(memory), person.account.name.replace("accounts/", ""));
      assert.notEqual(memory.kept.refresh_token, refresh_token);
      assert.notEqual(memory.kept.access_token, access_token);
    });

    test("asks the person again when its grant was taken back", async () => {
      const person = await signUp(server);
      const memory = new Memory("http://127.0.0.1:3999/callback");
      await assert.rejects(connect(memory), UnauthorizedError);
      await finish(memory, person);
      const form = new URLSearchParams({ token: memory.kept.refresh_token, client_id: memory.client.client_id });
      assert.equal((await fetch(`${server.url}/oauth/revoke`, { method: "POST", body: form })).status, 200);
      memory.kept = { ...memory.kept, access_token: "worthless" };
      memory.address = undefined;
      await assert.rejects(connect(memory), UnauthorizedError);
      assert.ok(memory.address);
    });

    test("registers again when the server does not know it any more", async () => {
      const person = await signUp(server);
      const memory = new Memory("http://127.0.0.1:3999/callback");
      memory.client = { client_id: "mkc_00000000000000000000000000000000", redirect_uris: memory.clientMetadata.redirect_uris };
      memory.kept = { access_token: "worthless", token_type: "Bearer", refresh_token: "worthless" };
      await assert.rejects(connect(memory), UnauthorizedError);
      assert.notEqual(memory.client.client_id, "mkc_00000000000000000000000000000000");
      await finish(memory, person);
      assert.equal(await whoAmI(memory), person.account.name.replace("accounts/", ""));
    });

    test("is the URL of a document, and registers nothing", async () => {
      const person = await signUp(server);
      const memory = new Memory("http://localhost:3999/callback");
      memory.clientMetadataUrl = document.url;
      await assert.rejects(connect(memory), UnauthorizedError);
      assert.equal(memory.address.searchParams.get("client_id"), document.url);
      await finish(memory, person);
      assert.equal(await whoAmI(memory), person.account.name.replace("accounts/", ""));
      memory.kept = { ...memory.kept, access_token: "worthless" };
      assert.equal(await whoAmI(memory), person.account.name.replace("accounts/", ""));
    });

    test("learns that the person said no", async () => {
      const person = await signUp(server);
      const memory = new Memory("http://127.0.0.1:3999/callback");
      await assert.rejects(connect(memory), UnauthorizedError);
      const answer = await person.visit(memory.address, "deny");
      assert.equal(answer.searchParams.get("error"), "access_denied");
      assert.equal(answer.searchParams.get("iss"), server.url);
    });

    test("keeps its secret, if it wants one", async () => {
      const person = await signUp(server);
      for (const method of ["client_secret_basic", "client_secret_post"]) {
        const memory = new Memory("http://127.0.0.1:3999/callback", { token_endpoint_auth_method: method });
        await assert.rejects(connect(memory), UnauthorizedError);
        assert.ok(memory.client.client_secret);
        await finish(memory, person);
        assert.equal(await whoAmI(memory), person.account.name.replace("accounts/", ""));
      }
    });
  });
}

test("a token for somebody else is of no use at the MCP server", async () => {
  const person = await signUp(server);
  const session = await fetch(`${server.url}/v1/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: person.email, password: "a long enough secret" }),
  });
  const { accessToken } = (await session.json()).tokens;
  for (const [token, status] of [[accessToken, 401], ["", 401]]) {
    const headers = { "content-type": "application/json", accept: "application/json, text/event-stream", authorization: `Bearer ${token}` };
    const answer = await fetch(mcp.resource, { method: "POST", headers, body: "{}" });
    assert.equal(answer.status, status);
    assert.match(answer.headers.get("www-authenticate"), /^Bearer .*resource_metadata="/);
  }
});
