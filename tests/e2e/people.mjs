// What people do on the hosted pages.
import assert from "node:assert/strict";

export const PASSWORD = "a long enough secret";

let people = 0;

// Somebody who has an account: their address.
export async function signUp(server) {
  const email = `person-${++people}@example.com`;
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ email, password: PASSWORD });
  assert.equal((await fetch(`${server.url}/v1/accounts`, { method: "POST", headers, body })).status, 200);
  return email;
}

// A browser of somebody's own. No page in it may break its policy or fail in its script.
export async function newBrowser(t, browser, way = {}) {
  const context = await browser.newContext(way);
  t.after(() => context.close());
  const page = await context.newPage();
  const violations = [];
  page.on("console", (line) => line.text().includes("Content Security Policy") && violations.push(line.text()));
  page.on("pageerror", (error) => violations.push(String(error)));
  t.after(() => assert.deepEqual(violations, []));
  return { context, page };
}

export async function fill(page, email, password = PASSWORD) {
  await page.locator("#email").fill(email);
  await page.locator("#password").fill(password);
}

export async function signIn(page, email, password) {
  await fill(page, email, password);
  await page.locator('[value="sign-in"]').click();
}

// To the form with which somebody makes an account.
export async function showRegister(page) {
  await page.locator('[value="show-register"]').click();
  await page.locator('[value="register"]').waitFor();
}

export const allow = (page) => page.locator('[value="allow"]').click();

// What a page says, without the marks that keep names of another direction apart.
export const textOf = async (page) => (await page.locator("main").textContent()).replace(/[\u2068\u2069]/g, "");

// The browser is back at the program: what it brings along.
export async function isBackAt(client, page) {
  await page.waitForURL((url) => url.href.startsWith(client.redirectUri));
  return client.answer(page.url());
}
