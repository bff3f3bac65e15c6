// The main job, told once and played over every protocol, HTTP version and encoding that Connect's clients speak.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import * as web from "@connectrpc/connect-web";
import { AccountService } from "../gen/countersign/v1/account_service_pb.js";
import { ApiKeyService } from "../gen/countersign/v1/api_key_service_pb.js";
import { SessionService } from "../gen/countersign/v1/session_service_pb.js";
import { BadRequestSchema, ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { startServer } from "./server.mjs";

const transports = {
  "gRPC, HTTP/2": (baseUrl) => createGrpcTransport({ baseUrl }),
  "grpc-web, HTTP/1.1": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "1.1" }),
  "grpc-web, HTTP/2": (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: "2" }),
  "Connect JSON, HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: false }),
  "Connect JSON, HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: false }),
  "Connect binary, HTTP/1.1": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "1.1", useBinaryFormat: true }),
  "Connect binary, HTTP/2": (baseUrl) => createConnectTransport({ baseUrl, httpVersion: "2", useBinaryFormat: true }),
  "grpc-web, fetch": (baseUrl) => web.createGrpcWebTransport({ baseUrl }),
  "Connect JSON, fetch": (baseUrl) => web.createConnectTransport({ baseUrl, useBinaryFormat: false }),
  "Connect binary, fetch": (baseUrl) => web.createConnectTransport({ baseUrl, useBinaryFormat: true }),
};

async function refusal(call) {
  try {
    await call;
  } catch (error) {
    const refused = ConnectError.from(error);
    const [info] = refused.findDetails(ErrorInfoSchema);
    assert.equal(info?.domain, "countersign", refused.message);
    const [request] = refused.findDetails(BadRequestSchema);
    const fields = request?.fieldViolations.map((violation) => violation.field) ?? [];
    return { code: Code[refused.code], reason: info.reason, fields };
  }
  return assert.fail("the call was not refused");
}

const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });
const me = { name: "accounts/me" };

let server;
before(async () => {
  server = await startServer();
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

for (const [name, transportTo] of Object.entries(transports)) {
  describe(name, () => {
    const email = `${name.replaceAll(/[^A-Za-z0-9]+/g, "-").toLowerCase()}@example.com`;
    const password = "a long enough secret";
    let accounts, sessions, keys;
    before(() => {
      const transport = transportTo(server.url);
      accounts = createClient(AccountService, transport);
      sessions = createClient(SessionService, transport);
      keys = createClient(ApiKeyService, transport);
    });

    test("sign up, log in, who am I, refresh, log out, refused", async () => {
      const { account } = await accounts.createAccount({ email, password, displayName: "Ada Lovelace" });
      assert.equal(account.email, email);

      const login = await sessions.createSession({ email, password });
      assert.deepEqual(login.account, account);
      const first = login.tokens;
      assert.deepEqual((await accounts.getAccount(me, bearer(first.accessToken))).account, account);

      const second = (await sessions.refreshSession({ refreshToken: first.refreshToken })).tokens;
      assert.notEqual(second.accessToken, first.accessToken);
      assert.notEqual(second.refreshToken, first.refreshToken);
      const { session } = await sessions.getSession({ name: "sessions/current" }, bearer(second.accessToken));
      assert.equal(session.name, login.session.name);
      assert.equal(session.current, true);

      await sessions.deleteSession({ name: "sessions/current" }, bearer(second.accessToken));
      for (const tokens of [first, second]) {
        assert.deepEqual(await refusal(accounts.getAccount(me, bearer(tokens.accessToken))), {
          code: "Unauthenticated",
          reason: "CREDENTIAL_INVALID",
          fields: [],
        });
      }
      const refused = await refusal(sessions.refreshSession({ refreshToken: second.refreshToken }));
      assert.equal(refused.reason, "REFRESH_TOKEN_INVALID");
    });

    test("an API key works like a session until it is revoked", async () => {
      const { tokens } = await sessions.createSession({ email, password });
      const { apiKey, secret } = await keys.createApiKey({ apiKey: { displayName: "laptop" } }, bearer(tokens.accessToken));
      assert.equal((await accounts.getAccount(me, bearer(secret))).account.email, email);
      const listed = await keys.listApiKeys({ pageSize: 1 }, bearer(secret));
      assert.deepEqual(listed.apiKeys, [apiKey]);
      await keys.deleteApiKey({ name: apiKey.name }, bearer(tokens.accessToken));
      assert.equal((await refusal(accounts.getAccount(me, bearer(secret)))).reason, "CREDENTIAL_INVALID");
    });

    test("what is wrong is named", async () => {
      assert.deepEqual(await refusal(accounts.createAccount({ email, password })), {
        code: "AlreadyExists",
        reason: "EMAIL_ALREADY_EXISTS",
        fields: ["email"],
      });
      assert.deepEqual(await refusal(accounts.createAccount({ email: "", password: "short" })), {
        code: "InvalidArgument",
        reason: "INVALID_FIELD",
        fields: ["email", "password"],
      });
      assert.equal((await refusal(sessions.createSession({ email, password: "wrong" }))).reason, "INVALID_CREDENTIALS");
      assert.equal((await refusal(accounts.getAccount(me))).reason, "CREDENTIAL_MISSING");
    });
  });
}
