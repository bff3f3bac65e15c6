// A program sends somebody's browser to the hosted pages: they sign in or make an account, allow it or do not, and are sent
// back.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { useBrowser } from "./browser.mjs";
import { startClient } from "./client.mjs";
import { allow, isBackAt, newBrowser, PASSWORD, signIn, signUp, textOf } from "./people.mjs";
import { startServer } from "./server.mjs";

const RESOURCE = "https://mcp.example.com/mcp";
const use = useBrowser();

let server;
let client;
before(async () => {
  server = await startServer({ OAUTH_RESOURCES: RESOURCE });
  // Any port of this machine.
  client = await startClient(server, { name: "Notes", post_logout_redirect_uris: ["http://127.0.0.1/callback"] });
});
after(async () => {
  client?.stop();
  assert.equal(await server?.stop(), 0);
});

const person = () => signUp(server);
const browse = (t, way) => newBrowser(t, use.browser, way);
const isBack = (page) => isBackAt(client, page);

test("somebody makes an account, allows the program, and it gets tokens for them", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address());
  await page.locator("#email").fill("new@example.com");
  await page.locator('[value="show-register"]').click();
  assert.equal(await page.locator("#email").inputValue(), "new@example.com");
  await page.locator("#password").fill(PASSWORD);
  await page.locator('[value="register"]').click();
  await page.locator('[value="allow"]').waitFor();
  const text = await textOf(page);
  for (const told of ["Allow Notes to use your account?", "new@example.com", `this device (${new URL(client.redirectUri).host})`, "see your name", "see your e-mail address"]) {
    assert.ok(text.includes(told), told);
  }
  await allow(page);
  const answer = await isBack(page);
  assert.deepEqual([answer.state, answer.iss], ["state-of-the-client", server.url]);
  const { status, body } = await client.redeem(answer.code);
  assert.deepEqual([status, body.scope], [200, "profile email"]);
});

test("somebody signs in, and is not asked to again", async (t) => {
  const { page } = await browse(t);
  const email = await person();
  await page.goto(client.address());
  await signIn(page, email);
  await allow(page);
  assert.ok((await isBack(page)).code);
  await page.goto(client.address());
  // A program on this device is asked for each time.
  await page.getByText(`You are signed in as`).waitFor();
  await allow(page);
  assert.ok((await isBack(page)).code);
});

test("somebody says no", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address());
  await signIn(page, await person());
  await page.locator('[value="deny"]').click();
  const { error, state, iss, code } = await isBack(page);
  assert.deepEqual([error, state, iss, code], ["access_denied", "state-of-the-client", server.url, undefined]);
});

test("two tabs are two requests, and each gets its own answer", async (t) => {
  const { context, page } = await browse(t);
  const email = await person();
  await page.goto(client.address({ state: "one" }));
  const other = await context.newPage();
  await other.goto(client.address({ state: "two" }));
  await signIn(page, email);
  await page.locator('[value="allow"]').waitFor();
  // The other tab is from before: it is asked to go on as whoever is signed in now.
  await signIn(other, email);
  await other.locator('[value="allow"]').waitFor();
  await allow(other);
  assert.equal((await isBack(other)).state, "two");
  await allow(page);
  assert.equal((await isBack(page)).state, "one");
});

const isOver = async (page) => {
  await page.getByRole("heading", { name: "This request is over" }).waitFor();
  assert.match(await textOf(page), /If the app works, close this window. If not, go back to the app and start again/);
};

test("the back button shows the step that is next, or what to do", async (t) => {
  const { page } = await browse(t);
  const email = await person();
  await page.goto(client.address());
  await signIn(page, email);
  await page.locator('[value="allow"]').waitFor();
  // Whoever has signed in is not asked to again.
  await page.goBack();
  await page.locator('[value="allow"]').waitFor();
  // From there to the form by its own way, and back once more.
  await page.locator('[value="sign-out"]').click();
  await page.locator("#email").waitFor();
  await page.goBack();
  await signIn(page, email);
  await allow(page);
  assert.ok((await isBack(page)).code);
  await page.goBack();
  await isOver(page);
});

test("a second submit ends on a page that says what to do", async (t) => {
  const { context, page } = await browse(t);
  await page.goto(client.address());
  await signIn(page, await person());
  await page.locator('[value="allow"]').waitFor();
  const other = await context.newPage();
  await other.goto(page.url());
  await allow(other);
  assert.ok((await isBack(other)).code);
  await allow(page);
  await isOver(page);
});

test("what was allowed before is not new, and what comes to it is", async (t) => {
  const { page } = await browse(t);
  const scopes = async (scope) => {
    await page.goto(client.address({ scope }));
    if (scope === "email") await signIn(page, await person());
    await page.locator('[value="allow"]').waitFor();
    return page.locator(".scopes li").allTextContents();
  };
  assert.deepEqual(await scopes("email"), ["see your e-mail address"]);
  await allow(page);
  await isBack(page);
  assert.deepEqual((await scopes("email profile")).sort(), ["see your e-mail address", "see your name new"]);
  await allow(page);
  await isBack(page);
  assert.deepEqual((await scopes("email profile ")).sort(), ["see your e-mail address", "see your name"]);
});

test("the services that tokens are for are named, and they are for those", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address({ scope: "mcp", resource: RESOURCE }));
  await signIn(page, await person());
  await page.getByRole("heading", { name: "At these services" }).waitFor();
  assert.deepEqual(await page.locator("h2:has-text('At these services') + ul li").allTextContents(), [RESOURCE]);
  await allow(page);
  const { body } = await client.redeem((await isBack(page)).code);
  const claims = JSON.parse(Buffer.from(body.access_token.split(".")[1], "base64url"));
  assert.deepEqual([claims.aud].flat(), [RESOURCE]);
  // Without any, nothing is said of services.
  await page.goto(client.address());
  await page.locator('[value="allow"]').waitFor();
  assert.doesNotMatch(await textOf(page), /At these services/);
});

test("a double click sends one form", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address());
  await signIn(page, await person());
  await page.locator('[value="allow"]').dblclick({ noWaitAfter: true });
  assert.ok((await isBack(page)).code);
});

test("another browser cannot go on with the request", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address());
  const { page: stranger } = await browse(t);
  const answer = await stranger.goto(page.url());
  assert.equal(answer.status(), 404);
  await stranger.getByRole("heading", { name: "This request is over" }).waitFor();
});

test("another site's form decides nothing", async (t) => {
  const { context, page } = await browse(t);
  await page.goto(client.address());
  await signIn(page, await person());
  await page.locator('[value="allow"]').waitFor();
  const [address, tag] = [page.url(), await page.locator('[name="tag"]').inputValue()];
  const attacker = await context.newPage();
  await attacker.goto(client.redirectUri);
  // It even knows what it should not.
  await attacker.setContent(`<form method="post" action="${address}"><input name="tag" value="${tag}"><button name="action" value="allow">Win</button></form>`);
  await attacker.getByRole("button").click();
  await attacker.waitForURL(`${server.url}/**`);
  assert.ok(!attacker.url().includes("code="));
  await allow(page);
  assert.ok((await isBack(page)).code);
});

test("a page is in nobody's frame", async (t) => {
  const { page } = await browse(t);
  const refused = [];
  page.on("console", (line) => refused.push(line.text()));
  await page.goto(client.redirectUri);
  page.removeAllListeners("console");
  await page.evaluate((address) => {
    const frame = document.createElement("iframe");
    frame.src = address;
    document.body.append(frame);
  }, client.address());
  await page.waitForTimeout(0);
  await page.waitForFunction(() => document.querySelector("iframe").contentDocument === null);
  const frame = page.frames().at(-1);
  assert.ok(frame === page.mainFrame() || !(await frame.content()).includes("Sign in"));
});

test("whoever signs out in the middle signs in as somebody else", async (t) => {
  const { page } = await browse(t);
  const [one, other] = [await person(), await person()];
  await page.goto(client.address());
  await signIn(page, one);
  await page.locator('[value="sign-out"]').click();
  await signIn(page, other);
  await page.getByText(other).waitFor();
});

test("prompt=none shows nothing to nobody", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address({ prompt: "none" }));
  assert.equal((await isBack(page)).error, "login_required");
  await page.goto(client.address());
  await signIn(page, await person());
  await page.locator('[value="allow"]').waitFor();
  await page.goto(client.address({ prompt: "none" }));
  assert.equal((await isBack(page)).error, "consent_required");
});

test("prompt=login asks somebody who is signed in for their password", async (t) => {
  const { page } = await browse(t);
  const email = await person();
  await page.goto(client.address());
  await signIn(page, email);
  await page.locator('[value="allow"]').waitFor();
  await page.goto(client.address({ prompt: "login", login_hint: email }));
  assert.equal(await page.locator("#email").inputValue(), email);
  await page.locator("#password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await allow(page);
  assert.ok((await isBack(page)).code);
});

test("an unknown client and a redirect URI of nobody's get a page, and nobody is sent anywhere", async (t) => {
  const { page } = await browse(t);
  for (const [changed, title, status] of [
    [{ client_id: "mkc_00000000000000000000000000000000" }, "This app is not known here", 404],
    [{ redirect_uri: "https://evil.example/" }, "The app has made a mistake", 400],
    [{ client_id: null }, "The app has made a mistake", 400],
  ]) {
    const answer = await page.goto(client.address(changed));
    assert.equal(answer.status(), status);
    await page.getByRole("heading", { name: title }).waitFor();
    assert.ok(page.url().startsWith(server.url));
  }
});

test("what else a client gets wrong is shown first, and the person goes back if they like", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address({ code_challenge: null }));
  await page.getByRole("heading", { name: "The app has made a mistake" }).waitFor();
  await page.getByRole("link", { name: "Go back" }).click();
  const { error, state, iss } = await isBack(page);
  assert.deepEqual([error, state, iss], ["invalid_request", "state-of-the-client", server.url]);
});

test("an authorization request comes as a form, too", async (t) => {
  const { page } = await browse(t);
  const { searchParams, origin, pathname } = new URL(client.address());
  const fields = [...searchParams].map(([name, value]) => `<input name="${name}" value="${value}">`).join("");
  await page.goto(client.redirectUri);
  await page.setContent(`<form method="post" action="${origin}${pathname}">${fields}<button>Go</button></form>`);
  await page.getByRole("button", { name: "Go" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("a program on the device is returned to, and the page that stays says so", async (t) => {
  const native = await startClient(server, { name: "Cursor", redirectUris: ["cursor://anysphere.cursor-mcp/oauth/callback"] });
  t.after(native.stop);
  const { page } = await browse(t);
  await page.goto(native.address());
  await signIn(page, await person());
  const text = await textOf(page);
  assert.ok(text.includes("a program on this device (cursor:)"), text);
  const answered = page.waitForResponse((answer) => answer.request().method() === "POST");
  await allow(page);
  assert.match((await answered).headers().location, /^cursor:\/\/anysphere\.cursor-mcp\/oauth\/callback\?code=/);
  await page.getByText("You can close this window").waitFor();
});

test("a program that hands on to another on the device is let do so", async (t) => {
  const web = await startClient(server, { onward: "acme://done" });
  t.after(web.stop);
  const { page } = await browse(t);
  await page.goto(web.address());
  await signIn(page, await person());
  const answered = page.waitForResponse((answer) => answer.url().startsWith(web.redirectUri));
  await allow(page);
  // A policy with `form-action` would stop the browser here, and say so where `browse` looks.
  const answer = await answered;
  assert.deepEqual([answer.status(), answer.headers().location], [302, "acme://done"]);
  await page.getByText("You can close this window").waitFor();
});

async function isSignedIn(page) {
  await page.goto(client.address());
  await signIn(page, await person());
  await page.locator('[value="allow"]').waitFor();
}

test("somebody signs out, says so once, and is back at the program", async (t) => {
  const { page } = await browse(t);
  await isSignedIn(page);
  await page.goto(client.logout());
  await page.getByText("Apps that you have connected stay connected.").waitFor();
  await page.getByRole("link", { name: "Deutsch" }).click();
  await page.getByRole("button", { name: "Abmelden" }).click();
  assert.equal((await isBack(page)).state, "bye");
  await page.goto(client.address());
  await page.locator("#email").waitFor();
  // Once more: there is nobody to sign out, and the way back is shown.
  await page.goto(client.logout());
  await page.getByText("You are signed out").first().waitFor();
  await page.getByRole("link", { name: "Go back" }).click();
  assert.equal((await isBack(page)).state, "bye");
});

test("a program's form asks somebody to sign out, too", async (t) => {
  const { page } = await browse(t);
  await isSignedIn(page);
  // Another origin than the server.
  await page.goto(client.redirectUri);
  await page.evaluate((address) => {
    const form = document.createElement("form");
    const url = new URL(address);
    form.method = "post";
    form.action = url.origin + url.pathname;
    for (const [name, value] of url.searchParams) form.append(Object.assign(document.createElement("input"), { name, value }));
    document.body.append(form);
    form.submit();
  }, client.logout());
  await page.getByRole("button", { name: "Sign out" }).click();
  assert.equal((await isBack(page)).state, "bye");
});
