// Proof of work on the hosted page: the browser gets a challenge, solves it on a thread of its own and sends the solution along
// with the form.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { useBrowser } from "./browser.mjs";
import { startClient } from "./client.mjs";
import { allow, fill, isBackAt, newBrowser, PASSWORD, showRegister, signUp, textOf } from "./people.mjs";
import { startServer } from "./server.mjs";

const RUNNING = "Your browser is doing a calculation that keeps robots out…";
const DONE = "The calculation is done.";
const CHALLENGES = "**/v1/challenges";

const use = useBrowser();

// A server with these settings and a program that sends people to it.
function useServer(settings) {
  const there = {};
  before(async () => {
    there.server = await startServer(settings);
    there.client = await startClient(there.server);
  });
  after(async () => {
    there.client?.stop();
    assert.equal(await there.server?.stop(), 0);
  });
  return there;
}

async function openForm(t, { client }, way) {
  const { page } = await newBrowser(t, use.browser, way);
  await page.goto(client.address());
  await showRegister(page);
  return page;
}

const register = (page) => page.locator('[value="register"]').click();
const status = (page) => page.getByRole("status").textContent();

// They have an account, and the program gets a code for it.
async function isSignedIn(page, { client }, email) {
  await page.getByText(email).waitFor();
  await allow(page);
  assert.ok((await isBackAt(client, page)).code);
}

// Holds the browser's question for a challenge until it is let go.
async function holdChallenges(page) {
  let letGo;
  const held = new Promise((resolve) => (letGo = resolve));
  await page.route(CHALLENGES, async (route) => {
    await held;
    await route.continue();
  });
  return letGo;
}

describe("where every sign-up takes work", () => {
  const there = useServer({ SIGNUP_PROOF_OF_WORK: "all" });

  test("whoever waits for it makes an account", async (t) => {
    const page = await openForm(t, there);
    await page.getByText(DONE).waitFor();
    assert.match(await page.locator('[name="challenge_id"]').inputValue(), /./);
    await fill(page, "patient@example.com");
    await register(page);
    await isSignedIn(page, there, "patient@example.com");
  });

  test("whoever is faster than their device presses the button once, and the form goes when the work is done", async (t) => {
    const { client } = there;
    const { page } = await newBrowser(t, use.browser);
    const letGo = await holdChallenges(page);
    await page.goto(client.address());
    await showRegister(page);
    await fill(page, "quick@example.com");
    let sent = 0;
    page.on("request", (request) => (sent += request.method() === "POST" && request.isNavigationRequest() ? 1 : 0));
    // A second press changes nothing.
    await register(page);
    await register(page);
    assert.equal(await status(page), RUNNING);
    assert.equal(sent, 0);
    letGo();
    await isSignedIn(page, there, "quick@example.com");
    // Their registration, and that they allow the program.
    assert.equal(sent, 2);
  });

  test("other buttons of the form do not wait", async (t) => {
    const { client } = there;
    const { page } = await newBrowser(t, use.browser);
    const letGo = await holdChallenges(page);
    await page.goto(client.address());
    await showRegister(page);
    await page.locator('[value="show-sign-in"]').click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    assert.equal(await page.locator("[data-work]").count(), 0);
    letGo();
  });

  test("a mistake is told, and the next try takes a challenge of its own", async (t) => {
    const page = await openForm(t, there);
    const challenge = () => page.locator('[name="challenge_id"]').inputValue();
    await page.getByText(DONE).waitFor();
    const first = await challenge();
    await fill(page, "careless@example.com", "password123");
    await register(page);
    await page.locator("#password-error").waitFor();
    await page.getByText(DONE).waitFor();
    assert.notEqual(await challenge(), first);
    await page.locator("#password").fill(PASSWORD);
    await register(page);
    await isSignedIn(page, there, "careless@example.com");
  });

  test("work that cannot be done is told, and nothing is sent without it", async (t) => {
    const { client } = there;
    const { page } = await newBrowser(t, use.browser);
    await page.route(CHALLENGES, (route) => route.abort());
    await page.goto(client.address());
    await showRegister(page);
    const failed = page.getByText("Your browser could not do the calculation. Press “Create an account” to try again, or use another browser.");
    await failed.waitFor();
    await fill(page, "lost@example.com");
    await register(page);
    await failed.waitFor();
    await page.unroute(CHALLENGES);
    // As the page says. Nothing that was typed is lost.
    await page.getByRole("button", { name: "Create an account" }).click();
    await isSignedIn(page, there, "lost@example.com");
  });

  // In each language the button is named as it is called there.
  for (const locale of ["en", "de", "es", "ar"]) {
    test(`work that cannot be done can be tried again by the button that the page names, in ${locale}`, async (t) => {
      const { client } = there;
      const { page } = await newBrowser(t, use.browser, { locale });
      await page.route(CHALLENGES, (route) => route.abort());
      await page.goto(client.address());
      await showRegister(page);
      const button = page.locator('[value="register"]');
      const told = page.getByRole("status").getByText(await button.textContent());
      await told.waitFor();
      await page.unroute(CHALLENGES);
      const email = `again-${locale}@example.com`;
      await fill(page, email);
      await button.click();
      await isSignedIn(page, there, email);
    });
  }

  test("a reload does the work anew, and asks nobody to send a form again", async (t) => {
    const page = await openForm(t, there);
    await page.getByText(DONE).waitFor();
    await fill(page, "careless@example.com", "short");
    await register(page);
    await page.locator("#password-error").waitFor();
    const sent = [];
    page.on("request", (request) => request.isNavigationRequest() && sent.push(request.method()));
    await page.reload();
    await page.getByText(DONE).waitFor();
    await fill(page, "reloads@example.com");
    assert.deepEqual(sent, ["GET"]);
    await register(page);
    await isSignedIn(page, there, "reloads@example.com");
  });

  test("without scripts the page says what to do, before and after the button, and blames no network", async (t) => {
    const page = await openForm(t, there, { javaScriptEnabled: false });
    const advice = /Making an account needs a calculation by a script.*Switch scripts on, or use another browser\./;
    assert.match(await textOf(page), advice);
    await fill(page, "no-script@example.com");
    await register(page);
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.match(await alert.textContent(), /This server asks everybody who makes an account for a calculation.*It needs JavaScript\./);
    assert.match(await textOf(page), advice);
    assert.equal(await page.locator("#email").inputValue(), "no-script@example.com");
  });
});

describe("where a network over its limit has to work", () => {
  const there = useServer({ SIGNUP_PROOF_OF_WORK: "adaptive", LIMITS_ENABLED: "true", LIMITS_CREATION_INTERVAL: "1h" });

  test("five people make accounts at once, and the next one's browser works for it", async (t) => {
    for (let others = 0; others < 4; others++) await signUp(there.server);
    const page = await openForm(t, there);
    assert.equal(await page.locator("[data-work]").count(), 0);
    await fill(page, "fifth@example.com");
    await register(page);
    await isSignedIn(page, there, "fifth@example.com");

    const next = await openForm(t, there);
    await fill(next, "sixth@example.com");
    await register(next);
    await next.getByRole("alert").getByText("Many accounts are being made from your network.").waitFor();
    assert.equal(await next.locator("#email").inputValue(), "sixth@example.com");
    await next.locator("#password").fill(PASSWORD);
    await register(next);
    await isSignedIn(next, there, "sixth@example.com");
  });
});
