// `buf curl`, which learns the contract by reflection, over its three protocols.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { fromBinary } from "@bufbuild/protobuf";
import { ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { startServer } from "./server.mjs";

// The folder of the contract; `tests/run interop` sets it.
const CONTRACT = process.env.COUNTERSIGN_TEST_CONTRACT;
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
      // The server speaks unary Connect only and reflection is a stream, so a Connect client brings the contract along.
      const schema = protocol === "connect" ? ["--schema", CONTRACT] : [];
      return buf("--protocol", protocol, ...schema, "--data", JSON.stringify(request), ...header, url);
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
      await answered("SessionService/DeleteSession", { name: "sessions/current" }, tokens.accessToken);
      const refused = await call("AccountService/GetAccount", { name: "accounts/me" }, tokens.accessToken);
      assert.notEqual(refused.code, 0);
      const error = JSON.parse(refused.stderr);
      assert.equal(error.code, "unauthenticated");
      // buf shows details as they are on the wire, in base64.
      const info = error.details.find(({ type }) => type === "google.rpc.ErrorInfo");
      assert.equal(fromBinary(ErrorInfoSchema, Buffer.from(info.value, "base64")).reason, "CREDENTIAL_INVALID");
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
