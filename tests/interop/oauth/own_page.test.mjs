// The log-in page of docs/OAUTH.md, as it stands there: clients find it, and people sign in and decide there.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import * as oidc from "openid-client";
import { PASSWORD, signUp } from "./person.mjs";
import { freePort, startServer } from "./server.mjs";

const CALLBACK = "http://127.0.0.1:3999/callback";
// Of RFC 7636 appendix B.
const CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

function program() {
  const document = readFileSync(process.env.COUNTERSIGN_TEST_OAUTH_DOCUMENT, "utf8");
  return /```js\n(\/\/ COUNTERSIGN=.*?)```/s.exec(document)[1];
}

test("a page of fifty lines is a log-in page", async (t) => {
  assert.ok(program().trimEnd().split("\n").length <= 50);
  const port = await freePort();
  const page = `http://127.0.0.1:${port}`;
  const server = await startServer({ OAUTH_AUTHORIZATION_ENDPOINT: `${page}/authorize` });
  const file = join(dirname(fileURLToPath(import.meta.url)), `page-${port}.mjs`);
  writeFileSync(file, program());
  const child = spawn(process.execPath, [file], { env: { ...process.env, COUNTERSIGN: server.url, PORT: String(port) }, stdio: ["ignore", "pipe", "inherit"] });
  t.after(async () => {
    child.kill();
    assert.equal(await server.stop(), 0);
  });
  await once(child.stdout, "data");

  // Where somebody is taken is told in full, whatever the program calls itself.
  for (const [redirectUri, told] of [
    [CALLBACK, "http://127.0.0.1:3999"],
    ["cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp"],
    ["com.example:/callback", "com.example:"],
  ]) {
    const headers = { "content-type": "application/json" };
    const registered = await fetch(`${server.url}/oauth/register`, { method: "POST", headers, body: JSON.stringify({ redirect_uris: [redirectUri] }) });
    const { client_id } = await registered.json();
    const query = new URLSearchParams({ response_type: "code", client_id, redirect_uri: redirectUri, code_challenge: CHALLENGE, code_challenge_method: "S256" });
    const answer = await fetch(`${page}/authorize?${query}`, { redirect: "manual" });
    const shown = await fetch(page + answer.headers.get("location"), { headers: { cookie: answer.headers.get("set-cookie").split(";")[0] } });
    assert.match(await shown.text(), new RegExp(` takes you to ${told}\\.</p>`));
  }

  const person = await signUp(server);
  const config = await oidc.dynamicClientRegistration(new URL(server.url), { redirect_uris: [CALLBACK], token_endpoint_auth_method: "none", client_name: "<b>Example" }, oidc.None(), {
    execute: [oidc.allowInsecureRequests],
  });
  const pkceCodeVerifier = oidc.randomPKCECodeVerifier();
  const expectedState = oidc.randomState();
  const address = oidc.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: "mcp",
    code_challenge: await oidc.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: "S256",
    state: expectedState,
  });
  assert.equal(address.origin, page);

  const started = await fetch(address, { redirect: "manual" });
  const headers = { cookie: started.headers.get("set-cookie").split(";")[0] };
  const form = async (fields, site = "same-origin") =>
    fetch(page + started.headers.get("location"), { method: "POST", redirect: "manual", headers: { ...headers, "sec-fetch-site": site }, body: new URLSearchParams(fields) });
  const shown = async () => (await fetch(page + started.headers.get("location"), { headers })).text();
  assert.match(await shown(), /value="sign-in"/);
  assert.match(await shown(), /&#60;b&#62;Example/);
  await form({ action: "sign-in", email: person.email, password: "wrong" });
  assert.match(await shown(), /value="sign-in"/);
  await form({ action: "sign-in", email: person.email, password: PASSWORD });
  assert.match(await shown(), /value="approve"/);
  assert.equal((await form({ action: "approve" }, "cross-site")).status, 403);
  const back = new URL((await form({ action: "approve" })).headers.get("location"));
  const tokens = await oidc.authorizationCodeGrant(config, back, { pkceCodeVerifier, expectedState });
  assert.equal(tokens.scope, "mcp");
});
