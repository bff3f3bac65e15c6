// The form to sign in or make an account, for everybody: with a keyboard, a screen reader, a password manager or no scripts, and for
// whoever makes a mistake.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { useBrowser } from "./browser.mjs";
import { startClient } from "./client.mjs";
import { allow, fill, isBackAt, newBrowser, PASSWORD, showRegister, signIn, signUp } from "./people.mjs";
import { startServer } from "./server.mjs";

const use = useBrowser();

let server;
let client;
before(async () => {
  server = await startServer();
  client = await startClient(server, { name: "Notes" });
});
after(async () => {
  client?.stop();
  assert.equal(await server?.stop(), 0);
});

const person = () => signUp(server);
const browse = (t, way) => newBrowser(t, use.browser, way);
const isBack = (page) => isBackAt(client, page);

test("a wrong password loses nothing that was typed but the password, and says so where the eye and the screen reader are", async (t) => {
  const { page } = await browse(t);
  const email = await person();
  await page.goto(client.address());
  await signIn(page, email, "a wrong secret");
  const alert = page.getByRole("alert");
  await alert.waitFor();
  assert.match(await alert.textContent(), /wrong/);
  assert.equal(await page.locator("#email").inputValue(), email);
  assert.equal(await page.locator("#password").inputValue(), "");
  assert.equal(await page.evaluate(() => document.activeElement.id), "password");
  assert.match(await page.title(), /^Error:/);
  await page.locator("#password").fill(PASSWORD);
  await page.keyboard.press("Enter");
  await page.locator('[value="allow"]').waitFor();
});

test("each mistake is told under its field, which has the focus", async (t) => {
  const { page } = await browse(t);
  const email = await person();
  await page.goto(client.address());
  await page.locator('[value="show-register"]').click();
  for (const [typed, password, field] of [
    ["", PASSWORD, "email"],
    ["not an address", PASSWORD, "email"],
    [email, PASSWORD, "email"],
    ["free@example.com", "short", "password"],
    ["free@example.com", "password123", "password"],
  ]) {
    await fill(page, typed, password);
    await page.locator('[value="register"]').click();
    const error = page.locator(`#${field}-error`);
    await error.waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), field, typed);
    assert.equal(await page.locator(`#${field}`).getAttribute("aria-invalid"), "true");
    assert.match(await page.locator(`#${field}`).getAttribute("aria-describedby"), new RegExp(`${field}-error`));
    assert.equal(await page.locator("#email").inputValue(), typed);
    await page.reload();
  }
});

// Chromium shows a page of its own, which is an error here, where it would have to send a form again.
for (const [how, way] of Object.entries({ "with scripts": {}, "without scripts": { javaScriptEnabled: false } })) {
  test(`Back and a reload show the form to make an account, and what was typed, ${how}`, async (t) => {
    const { page } = await browse(t, way);
    await page.goto(client.address());
    await page.locator("#email").fill("ada@example.com");
    await showRegister(page);
    assert.ok(!page.url().includes("ada"), page.url());
    const sent = [];
    page.on("request", (request) => request.isNavigationRequest() && sent.push(request.method()));
    const isShown = async () => {
      await page.locator('[value="register"]').waitFor();
      assert.equal(await page.locator("#email").inputValue(), "ada@example.com");
    };
    await page.reload();
    await isShown();
    await page.goto(client.redirectUri);
    await page.goBack();
    await isShown();
    await page.goBack();
    await page.locator('[value="sign-in"]').waitFor();
    await page.goForward();
    await isShown();
    assert.ok(sent.every((method) => method === "GET"), sent.join());
  });
}

test("Back and a reload over what is wrong show the form, and send nothing again", async (t) => {
  const { page } = await browse(t);
  const email = await person();
  await page.goto(client.address());
  await signIn(page, email, "a wrong secret");
  await page.getByRole("alert").waitFor();
  const sent = [];
  page.on("request", (request) => request.isNavigationRequest() && sent.push(request.method()));
  await page.reload();
  await page.locator('[value="sign-in"]').waitFor();
  assert.equal(await page.getByRole("alert").count(), 0);
  await page.goto(client.redirectUri);
  await page.goBack();
  await page.locator('[value="sign-in"]').waitFor();
  assert.ok(sent.every((method) => method === "GET"), sent.join());
  await signIn(page, email, "a wrong secret");
  await page.getByRole("alert").waitFor();
  await signIn(page, email);
  await page.locator('[value="allow"]').waitFor();
  // Whoever has signed in is past every form.
  await page.goBack();
  await page.locator('[value="allow"]').waitFor();
});

test("without scripts a reload over what is wrong sends it again, and is told the same", async (t) => {
  const { page } = await browse(t, { javaScriptEnabled: false });
  await page.goto(client.address());
  await signIn(page, await person(), "a wrong secret");
  await page.getByRole("alert").waitFor();
  const answer = await page.reload();
  assert.equal(answer.status(), 401);
  await page.getByRole("alert").getByText("wrong").waitFor();
});

test("without scripts somebody makes an account and allows a program", async (t) => {
  const { page } = await browse(t, { javaScriptEnabled: false });
  await page.goto(client.address());
  await page.locator('[value="show-register"]').click();
  await fill(page, "no-script@example.com");
  await page.locator('[value="register"]').click();
  await allow(page);
  assert.ok((await isBack(page)).code);
});

test("with the keyboard alone, in the order in which it is read", async (t) => {
  const { page } = await browse(t);
  const email = await person();
  await page.goto(client.address());
  assert.equal(await page.evaluate(() => document.activeElement.id), "email");
  await page.keyboard.type(email);
  await page.keyboard.press("Tab");
  // The button that shows what is typed.
  await page.keyboard.press("Tab");
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.locator('[value="allow"]').waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.ok((await isBack(page)).code);
});

test("Enter in either field submits", async (t) => {
  const email = await person();
  for (const field of ["#email", "#password"]) {
    const { page } = await browse(t);
    await page.goto(client.address());
    await fill(page, email);
    await page.locator(field).press("Enter");
    await page.locator('[value="allow"]').waitFor();
  }
});

test("a password is shown and hidden", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address());
  await page.getByRole("button", { name: "Show" }).click();
  assert.equal(await page.locator("#password").getAttribute("type"), "text");
  await page.getByRole("button", { name: "Hide" }).click();
  assert.equal(await page.locator("#password").getAttribute("type"), "password");
});

test("what password managers look for is there", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address());
  const tokens = () => page.evaluate(() => ["email", "password"].map((id) => document.getElementById(id).autocomplete));
  assert.deepEqual(await tokens(), ["username", "current-password"]);
  await page.locator('[value="show-register"]').click();
  assert.deepEqual(await tokens(), ["username", "new-password"]);
});

test("a language that is chosen stays", async (t) => {
  const { page } = await browse(t);
  await page.goto(client.address({ ui_locales: "de" }));
  await page.getByRole("heading", { name: "Anmelden" }).waitFor();
  await page.getByRole("button", { name: "Español" }).click();
  await signIn(page, await person());
  await page.getByRole("button", { name: "Permitir" }).waitFor();
});
