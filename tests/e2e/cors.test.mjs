// Pages of apps on origins of their own: one that `cors.origins` names may call with its cookie and its token and read
// what the contract promises, any other sees nothing.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { openPage, pageFiles, startSite, useBrowser } from "./browser.mjs";
import { startServer } from "./server.mjs";

const PERSON = { email: "ada@example.com", password: "a long enough secret" };
// One failure elsewhere holds an account for longer than the test takes; no other limit is reached.
const SETTINGS = {
  LIMITS_ENABLED: "true",
  LIMITS_PUBLIC_PER_SECOND: "1000",
  LIMITS_LOG_IN_FREE_FAILURES: "1",
  LIMITS_LOG_IN_FIRST_DELAY: "15m",
};
const GRPC_WEB = readFileSync(createRequire(import.meta.url).resolve("grpc-web").replace(/index\.js$/, "index.esm.js"), "utf8");

// The script of an app's page, which calls the service at this URL.
const script = (url) => `
  import { GrpcWebClientBase, MethodDescriptor, MethodType } from "/grpc-web.js";

  // What came back, and what the page may read of its head; or that nothing did.
  async function told(answer) {
    const { status, headers } = await answer;
    const names = ["x-request-id", "www-authenticate", "retry-after", "ratelimit", "set-cookie"];
    const read = Object.fromEntries(names.map((name) => [name, headers.get(name)]));
    return { status, headers: read, body: await (await answer).json() };
  }

  function call(path, { body, headers, ...options } = {}) {
    const sent = headers === null ? {} : { "content-type": "application/json", "x-request-id": crypto.randomUUID(), ...headers };
    const method = body === undefined ? "GET" : "POST";
    const answer = fetch("${url}" + path, { method, headers: sent, body: body && JSON.stringify(body), ...options });
    return told(answer).catch((error) => error.name);
  }
  window.call = call;
  // As connect-web calls.
  window.connect = (rpc, body, headers) =>
    call("/countersign.v1." + rpc, { body, headers: { "connect-protocol-version": "1", "connect-timeout-ms": "10000", ...headers }, credentials: "include" });

  // A message of strings, whose fields are numbered from 1.
  const message = (texts) =>
    texts.flatMap((text, index) => {
      const bytes = new TextEncoder().encode(text);
      return [(index + 1) * 8 + 2, bytes.length, ...bytes];
    });
  const client = new GrpcWebClientBase({ format: "binary", withCredentials: true });
  window.grpcWeb = async (rpc, texts, metadata = {}) => {
    const path = "/countersign.v1." + rpc;
    const method = new MethodDescriptor(path, MethodType.UNARY, Object, Object, (it) => new Uint8Array(it), (it) => new Uint8Array(it));
    try {
      return new TextDecoder().decode(await client.unaryCall("${url}" + path, message(texts), metadata, method));
    } catch ({ code, message, metadata }) {
      return { code, message, metadata };
    }
  };
`;

const use = useBrowser();

// An app on an origin of its own; what its page does comes when the address of the service is known.
async function startApp() {
  const files = new Map([["/grpc-web.js", { contentType: "text/javascript", body: GRPC_WEB }]]);
  const site = await startSite(files);
  const serve = (url) => {
    const policy = `default-src 'none'; script-src 'self'; connect-src ${url}`;
    pageFiles(script(url), policy).forEach((file, path) => files.set(path, file));
  };
  return { ...site, serve };
}

describe("pages on other origins", () => {
  let app, stranger, server, page;

  before(async () => {
    [app, stranger] = await Promise.all([startApp(), startApp()]);
  });
  after(() => [app, stranger].forEach((site) => site.stop()));

  beforeEach(async () => {
    server = await startServer({ ...SETTINGS, CORS_ORIGINS: app.origin });
    [app, stranger].forEach((site) => site.serve(server.url));
    const made = await post("/v1/accounts", PERSON);
    assert.equal(made.status, 200);
  });
  afterEach(async () => {
    await page.close();
    assert.equal(await server.stop(), 0);
  });

  // Anybody's program, which has no cookie.
  const post = (path, body) =>
    fetch(server.url + path, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const open = async (site) => {
    ({ page } = await openPage(use.browser, site.origin));
    return {
      call: (path, options) => page.evaluate(([path, options]) => call(path, options), [path, options]),
      connect: (rpc, body, headers) => page.evaluate((args) => connect(...args), [rpc, body, headers]),
      grpcWeb: (rpc, texts, metadata) => page.evaluate((args) => grpcWeb(...args), [rpc, texts, metadata]),
    };
  };
  const logIn = { body: PERSON, credentials: "include" };

  test("a page of a configured origin is known by its cookie, and calls with its token", async () => {
    const person = await open(app);
    const first = await person.call("/v1/sessions", logIn);
    assert.equal(first.status, 200);
    assert.equal(first.headers["set-cookie"], null, "no script sees the cookie");
    const bearer = { authorization: `Bearer ${first.body.tokens.accessToken}` };
    const me = await person.call("/v1/accounts/me", { headers: bearer, credentials: "include" });
    assert.deepEqual([me.status, me.body.account.email], [200, PERSON.email]);
    assert.match(await person.grpcWeb("AccountService/GetAccount", ["accounts/me"], bearer), /ada@example\.com/);
    const asked = await person.connect("AccountService/GetAccount", { name: "accounts/me" }, bearer);
    assert.equal(asked.body.account.email, PERSON.email);

    // Somebody guesses: who is not known has to wait now, who is known logs in by every protocol.
    for (let failures = 0; failures < 2; failures++) {
      await post("/v1/sessions", { ...PERSON, password: "guessed wrong" });
    }
    assert.equal((await person.call("/v1/sessions", { ...logIn, credentials: "omit" })).status, 429);
    assert.equal((await person.call("/v1/sessions", logIn)).status, 200);
    assert.equal((await person.connect("SessionService/CreateSession", PERSON)).status, 200);
    assert.match(await person.grpcWeb("SessionService/CreateSession", [PERSON.email, PERSON.password]), /ada@example\.com/);
  });

  test("a page of a configured origin reads why it is refused and how long to wait", async () => {
    const person = await open(app);
    const missing = await person.call("/v1/accounts/me");
    assert.equal(missing.status, 401);
    assert.match(missing.headers["www-authenticate"], /^Bearer/);
    assert.match(missing.headers["x-request-id"], /^[0-9a-f-]{36}$/);

    for (let failures = 0; failures < 2; failures++) {
      await post("/v1/sessions", { ...PERSON, password: "guessed wrong" });
    }
    for (const held of [await person.call("/v1/sessions", logIn), await person.connect("SessionService/CreateSession", PERSON)]) {
      assert.equal(held.status, 429);
      assert.ok(Number(held.headers["retry-after"]) > 0);
    }
    const held = await person.grpcWeb("SessionService/CreateSession", [PERSON.email, PERSON.password]);
    assert.equal(held.code, 8);
    assert.ok(held.metadata["grpc-status-details-bin"]);
    assert.ok(Number(held.metadata["grpc-retry-pushback-ms"]) > 0);
  });

  test("a page of any other origin sees nothing", async () => {
    const person = await open(stranger);
    for (const credentials of ["include", "omit"]) {
      assert.equal(await person.call("/v1/sessions", { ...logIn, credentials }), "TypeError");
      // Without a preflight: the call is made, and its answer kept from the page.
      assert.equal(await person.call("/v1/accounts/me", { headers: null, credentials }), "TypeError");
    }
    assert.equal(await person.connect("SessionService/CreateSession", PERSON), "TypeError");
    const { code, message, metadata } = await person.grpcWeb("SessionService/CreateSession", [PERSON.email, PERSON.password]);
    assert.deepEqual([code, metadata], [2, {}]);
    assert.match(message, /http status code: 0$/);
    assert.deepEqual(await page.context().cookies(server.url), []);
  });
});
