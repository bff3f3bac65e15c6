// Google's own grpc-web client, in both of its wire formats, over the XMLHttpRequest that it expects of a browser.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AccountService } from "../gen/countersign/v1/account_service_pb.js";
import { SessionService } from "../gen/countersign/v1/session_service_pb.js";
import { startServer } from "./server.mjs";
import xhr2 from "xhr2";

globalThis.XMLHttpRequest = xhr2;
const { GrpcWebClientBase, MethodDescriptor, MethodType, StatusCode } = (await import("grpc-web")).default;

// A unary call by the method's descriptor: messages are written and read by protobuf-es.
function call(client, url, method, request, token) {
  const path = `/${method.parent.typeName}/${method.name}`;
  const descriptor = new MethodDescriptor(
    path,
    MethodType.UNARY,
    Object,
    Object,
    (message) => toBinary(method.input, message),
    (bytes) => fromBinary(method.output, new Uint8Array(bytes)),
  );
  const metadata = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return client.unaryCall(url + path, create(method.input, request), metadata, descriptor);
}

let server;
before(async () => {
  server = await startServer();
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

for (const format of ["text", "binary"]) {
  describe(`grpc-web in ${format} format`, () => {
    const client = new GrpcWebClientBase({ format });
    const credentials = { email: `grpc-web-${format}@example.com`, password: "a long enough secret" };
    const accounts = (method, request, token) => call(client, server.url, AccountService.method[method], request, token);
    const sessions = (method, request, token) => call(client, server.url, SessionService.method[method], request, token);
    const me = { name: "accounts/me" };

    test("sign up, log in, who am I, refresh, log out, refused", async () => {
      const { account } = await accounts("createAccount", { ...credentials, displayName: "Ada" });
      const { tokens } = await sessions("createSession", credentials);
      assert.deepEqual((await accounts("getAccount", me, tokens.accessToken)).account, account);
      const next = (await sessions("refreshSession", { refreshToken: tokens.refreshToken })).tokens;
      await sessions("deleteSession", { name: "sessions/current" }, next.accessToken);
      await assert.rejects(accounts("getAccount", me, next.accessToken), { code: StatusCode.UNAUTHENTICATED });
      await assert.rejects(sessions("refreshSession", { refreshToken: next.refreshToken }), {
        code: StatusCode.UNAUTHENTICATED,
      });
    });

    test("an error carries its status, message and details", async () => {
      await assert.rejects(sessions("createSession", { ...credentials, password: "wrong" }), (error) => {
        assert.equal(error.code, StatusCode.UNAUTHENTICATED);
        assert.equal(error.message, "The e-mail address or the password is wrong.");
        assert.ok(error.metadata["grpc-status-details-bin"]);
        return true;
      });
    });
  });
}
