// @auth/core, which web frameworks sign people in with: its own handler, called as a framework does.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Auth, skipCSRFCheck } from "@auth/core";
import { signUp } from "./person.mjs";
import { startServer } from "./server.mjs";

const SITE = "https://app.example.com";
const CALLBACK = `${SITE}/auth/callback/countersign`;

let server;
let client;
before(async () => {
  server = await startServer();
  const body = JSON.stringify({ client_name: "Site", redirect_uris: [CALLBACK], token_endpoint_auth_method: "client_secret_basic" });
  const headers = { "content-type": "application/json" };
  client = await (await fetch(`${server.url}/oauth/register`, { method: "POST", headers, body })).json();
});
after(async () => {
  assert.equal(await server?.stop(), 0);
});

// A browser's requests to the site.
function visitor() {
  const cookies = new Map();
  const config = {
    secret: "of this test alone",
    trustHost: true,
    basePath: "/auth",
    skipCSRFCheck,
    providers: [{ id: "countersign", name: "Countersign", type: "oidc", issuer: server.url, clientId: client.client_id, clientSecret: client.client_secret }],
    callbacks: { session: ({ session, token }) => ({ ...session, sub: token.sub }) },
    logger: { error: (error) => errors.push(error) },
  };
  const errors = [];
  return async (address, init = {}) => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await Auth(new Request(address, { ...init, headers: { cookie, ...init.headers } }), config);
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
      cookies.set(name, value);
    }
    return Object.assign(answer, { errors });
  };
}

test("a site signs somebody in", async () => {
  const person = await signUp(server);
  const visit = visitor();
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const begun = await visit(`${SITE}/auth/signin/countersign`, { method: "POST", headers, body: "" });
  const back = await person.visit(begun.headers.get("location"));
  const finished = await visit(back.href);
  assert.deepEqual(finished.errors.map(String), []);
  assert.equal(finished.headers.get("location"), SITE);
  const session = await (await visit(`${SITE}/auth/session`)).json();
  assert.deepEqual([session.user.email, session.sub !== undefined], [person.email, true]);
});

test("a site learns that somebody said no", async () => {
  const person = await signUp(server);
  const visit = visitor();
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const begun = await visit(`${SITE}/auth/signin/countersign`, { method: "POST", headers, body: "" });
  const back = await person.visit(begun.headers.get("location"), "deny");
  const finished = await visit(back.href);
  assert.match(finished.headers.get("location"), /error/);
});
