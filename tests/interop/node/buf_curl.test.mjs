// `buf curl`, which learns the contract by reflection, over its three protocols.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { startServer } from "./server.mjs";

const BUF = fileURLToPath(new URL("../node_modules/.bin/buf", import.meta.url));

let server;
before(async () => {
  server = await startServer();
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

function buf(...args) {
  return new Promise((resolve) => {
    execFile(BUF, ["curl", "--http2-prior-knowledge", ...args], (error, stdout, stderr) => {
      resolve({ code: error?.code ?? 0, stdout, stderr });
    });
  });
}

for (const protocol of ["grpc", "grpcweb", "connect"]) {
  describe(`buf curl --protocol ${protocol}`, () => {
    const credentials = { email: `buf-${protocol}@example.com`, password: "a long enough secret" };
    const call = (rpc, request, token) => {
      const header = token === undefined ? [] : ["--header", `authorization: Bearer ${token}`];
      const url = `${server.url}/countersign.v1.${rpc}`;
      // Reflection is a stream, which the Connect protocol has over gRPC alone here.
      return buf("--protocol", protocol, "--reflect-protocol", "grpc-v1", "--data", JSON.stringify(request), ...header, url);
    };
    const answered = async (...args) => {
      const { code, stdout, stderr } = await call(...args);
      assert.equal(code, 0, stderr);
      return JSON.parse(stdout);
    };

    test("sign up, log in, who am I, log out, refused", async () => {
      const { account } = await answered("AccountService/CreateAccount", credentials);
      const { tokens } = await answered("SessionService/CreateSession", credentials);
      const read = await answered("AccountService/GetAccount", { name: "accounts/me" }, tokens.accessToken);
      assert.deepEqual(read.account, account);
      await answered("SessionService/RevokeSession", { name: "sessions/current" }, tokens.accessToken);
      const refused = await call("AccountService/GetAccount", { name: "accounts/me" }, tokens.accessToken);
      assert.notEqual(refused.code, 0);
      const error = JSON.parse(refused.stderr);
      assert.equal(error.code, "unauthenticated");
      assert.match(refused.stderr, /CREDENTIAL_INVALID/);
    });
  });
}

test("buf lists the services by reflection", async () => {
  const { code, stdout, stderr } = await buf("--protocol", "grpc", "--list-methods", server.url);
  assert.equal(code, 0, stderr);
  const methods = stdout.trim().split("\n");
  for (const method of ["AccountService/CreateAccount", "SessionService/CreateSession", "ApiKeyService/CreateApiKey"]) {
    assert.ok(methods.includes(`countersign.v1.${method}`), method);
  }
});
