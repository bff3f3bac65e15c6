// Signing in at another provider in a real browser: out by a button of the sign-in page, through the pages of another site, and
// back. (tests/interop/oauth/federation.test.mjs has real providers, and no browser.)
import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { useBrowser } from "./browser.mjs";
import { startClient } from "./client.mjs";
import { allow, isBackAt, newBrowser, textOf } from "./people.mjs";
import { startServer } from "./server.mjs";

const use = useBrowser();

let provider;
let server;
let client;
before(async () => {
  provider = await startProvider();
  const secret = join(mkdtempSync(join(tmpdir(), "countersign-")), "secret");
  writeFileSync(secret, "of the provider and this server");
  const endpoints = Object.entries(provider.endpoints).map(([name, url]) => `${name} = "${url}"`);
  server = await startServer({
    FEDERATION_PROVIDERS: `[{kind = "github", client_id = "countersign", client_secret_file = "${secret}", ${endpoints.join(", ")}}]`,
  });
  client = await startClient(server, { name: "Notes" });
});
after(async () => {
  client?.stop();
  provider?.stop();
  assert.equal(await server?.stop(), 0);
});

// What GitHub documents of its endpoints, with a page on which somebody says yes or no by a form. For a browser `localhost` is
// another site than the server's `127.0.0.1`.
async function startProvider() {
  const asked = [];
  const site = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://provider");
    const json = (body) => response.setHeader("content-type", "application/json").end(JSON.stringify(body));
    if (pathname === "/token") return json({ access_token: "gho_x", scope: "user:email", token_type: "bearer" });
    if (pathname === "/user") return json({ login: "octocat", id: 583231, name: "The Octocat", email: null });
    if (pathname === "/emails") return json([{ email: "octocat@example.com", verified: true, primary: true, visibility: "private" }]);
    if (pathname !== "/authorize") return response.writeHead(404).end();
    if (request.method === "GET") {
      asked.push({ headers: request.headers, redirectUri: searchParams.get("redirect_uri") });
      const form = '<form method="post"><button name="answer" value="yes">Authorize</button><button name="answer" value="no">Cancel</button></form>';
      return response.setHeader("content-type", "text/html").end(`<!doctype html><title>Provider</title><h1>The provider</h1>${form}`);
    }
    let body = "";
    for await (const part of request) body += part;
    const back = new URL(searchParams.get("redirect_uri"));
    const answer = new URLSearchParams(body).get("answer") === "yes" ? { code: "the-code" } : { error: "access_denied" };
    for (const [name, value] of Object.entries({ ...answer, state: searchParams.get("state") })) back.searchParams.set(name, value);
    return response.writeHead(302, { location: back.href }).end();
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  const { port } = site.address();
  const at = (host, path) => `http://${host}:${port}${path}`;
  return {
    asked,
    origin: at("localhost", ""),
    endpoints: {
      authorization_endpoint: at("localhost", "/authorize"),
      token_endpoint: at("127.0.0.1", "/token"),
      user_endpoint: at("127.0.0.1", "/user"),
      emails_endpoint: at("127.0.0.1", "/emails"),
    },
    stop: () => site.close(),
  };
}

async function goToProvider(page) {
  await page.goto(client.address());
  await page.getByRole("button", { name: "GitHub" }).click();
  await page.getByRole("heading", { name: "The provider" }).waitFor();
  assert.equal(new URL(page.url()).origin, provider.origin);
}

for (const [how, way] of Object.entries({ "with scripts": {}, "without scripts": { javaScriptEnabled: false } })) {
  test(`somebody signs in with another provider and allows the program, ${how}`, async (t) => {
    const { page } = await newBrowser(t, use.browser, way);
    await goToProvider(page);
    // The provider learns which server sends somebody, and not which request it is for.
    const { headers, redirectUri } = provider.asked.at(-1);
    assert.equal(redirectUri, `${server.url}/sign-in/callback/github`);
    assert.equal(headers.referer, undefined);
    assert.equal(headers.cookie, undefined);
    await page.getByRole("button", { name: "Authorize" }).click();
    await page.getByText("octocat@example.com").waitFor();
    await allow(page);
    const { code } = await isBackAt(client, page);
    assert.equal((await client.redeem(code)).status, 200);
    // They are signed in here now.
    await page.goto(client.address());
    await page.locator('[value="allow"]').waitFor();
  });
}

test("whoever turns back at the provider is at the form again, which says nothing bad", async (t) => {
  const { page } = await newBrowser(t, use.browser);
  await goToProvider(page);
  await page.getByRole("button", { name: "Cancel" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  assert.equal(await page.getByRole("alert").count(), 0);
  // Once more, and by the back button.
  await page.getByRole("button", { name: "GitHub" }).click();
  await page.getByRole("heading", { name: "The provider" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByRole("button", { name: "GitHub" }).click();
  await page.getByRole("button", { name: "Authorize" }).click();
  await page.locator('[value="allow"]').waitFor();
});

test("the way back is for the browser that was sent out", async (t) => {
  const { page: attacker } = await newBrowser(t, use.browser);
  await goToProvider(attacker);
  // What the provider answers, in the attacker's hands.
  const asked = new URL(attacker.url());
  asked.hostname = "127.0.0.1";
  const answer = await fetch(asked, { method: "POST", body: "answer=yes", redirect: "manual" });
  const wayBack = answer.headers.get("location");
  assert.match(wayBack, /code=the-code/);
  const { page: victim } = await newBrowser(t, use.browser);
  await victim.goto(client.address());
  await victim.goto(wayBack);
  await victim.getByRole("heading", { name: "This request is over" }).waitFor();
  await victim.goto(client.address());
  assert.match(await textOf(victim), /Sign in/);
  assert.equal(await victim.locator("#email").count(), 1);
});
