// The hosted pages as they look and read, each in every way in which people come to it.
import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { useBrowser } from "./browser.mjs";
import { startClient } from "./client.mjs";
import { DESK, isWalked, judge, judgeByAxe, judgeFocus, measure, PHONE, texts, WAYS } from "./look.mjs";
import { fill, newBrowser, showRegister, signIn, signUp } from "./people.mjs";
import { startServer } from "./server.mjs";

const RESOURCE = "https://mcp.example.com/mcp";
const use = useBrowser();

let server;
let client;
before(async () => {
  const secret = join(mkdtempSync(join(tmpdir(), "countersign-")), "secret");
  writeFileSync(secret, "of the provider alone");
  const provider = (kind) => `{kind = "${kind}", client_id = "c", client_secret_file = "${secret}"}`;
  // Their buttons stand on every page to sign in.
  server = await startServer({ FEDERATION_PROVIDERS: `[${provider("google")}, ${provider("github")}]`, OAUTH_RESOURCES: RESOURCE });
  client = await startClient(server, { name: "Notes", post_logout_redirect_uris: ["http://127.0.0.1/callback"] });
});
after(async () => {
  client?.stop();
  assert.equal(await server?.stop(), 0);
});

async function isSignedIn(page) {
  await page.goto(client.address());
  await signIn(page, await signUp(server));
  await page.locator('[value="allow"]').waitFor();
}

// How somebody comes to each page. With COUNTERSIGN_TEST_PICTURES, the pictures that are taken there are named as they are.
const PAGES = {
  "sign-in": async (page) => page.goto(client.address()),
  register: async (page) => {
    await page.goto(client.address());
    await showRegister(page);
  },
  error: async (page) => {
    await page.goto(client.address());
    await showRegister(page);
    await fill(page, "not an address", "short");
    await page.locator('[value="register"]').click();
    await page.locator("#password-error").waitFor();
  },
  "wrong-password": async (page) => {
    await page.goto(client.address());
    await signIn(page, "nobody@example.com");
    await page.getByRole("alert").waitFor();
  },
  consent: async (page) => {
    await page.goto(client.address({ scope: "mcp profile email offline_access", resource: RESOURCE }));
    await signIn(page, await signUp(server));
    await page.locator('[value="allow"]').waitFor();
  },
  "wrong-request": async (page) => page.goto(client.address({ code_challenge: null })),
  "sign-out": async (page) => {
    await isSignedIn(page);
    await page.goto(client.logout());
    await page.locator('[value="sign-out"]').waitFor();
  },
  "signed-out": async (page) => page.goto(client.logout()),
  "unknown-client": async (page) => page.goto(client.address({ client_id: "mkc_0" })),
  "not-found": async (page) => page.goto(`${server.url}/nowhere`),
};

// These are seen whole; what is wrong, and what a program asks for, takes the room that it takes.
const isWhole = (name, { viewport }) => [DESK, PHONE].includes(viewport) && !["error", "wrong-password", "consent"].includes(name);

for (const [name, open] of Object.entries(PAGES)) {
  for (const [how, way] of Object.entries(WAYS)) {
    test(`the page ${name} holds every line of the brief, ${how}`, async (t) => {
      const { page } = await newBrowser(t, use.browser, way);
      const strangers = [];
      page.on("request", (request) => {
        const { protocol, origin } = new URL(request.url());
        if (protocol !== "data:" && origin !== server.url) strangers.push(request.url());
      });
      await open(page);
      const pictures = process.env.COUNTERSIGN_TEST_PICTURES;
      if (pictures !== undefined) await page.screenshot({ path: `${pictures}/${name}-${how.replaceAll(" ", "-")}.png` });
      await judge(page, way);
      const { tall } = await page.evaluate(measure);
      if (isWhole(name, way)) assert.ok(tall[0] <= tall[1], `it is ${tall[0]} px high, in a window of ${tall[1]}`);
      const size = await page.evaluate(async () => (await (await fetch(location.href)).arrayBuffer()).byteLength);
      assert.ok(size <= 30_000, `${size} bytes`);
      await judgeByAxe(page);
      if (isWalked(way)) await judgeFocus(page);
      assert.deepEqual(strangers, []);
    });
  }
}

// The build knows that no language lacks a message, so that one of them shows whether a page has text that is no message.
for (const [name, open] of Object.entries(PAGES)) {
  test(`the page ${name} says nothing in English to whoever reads German`, async (t) => {
    const read = async (locale) => {
      const { page } = await newBrowser(t, use.browser, { locale });
      await open(page);
      assert.equal(await page.getAttribute("html", "lang"), locale);
      return page.evaluate(texts);
    };
    const [english, german] = [await read("en"), await read("de")];
    assert.ok(english.length > 3);
    assert.equal(german.length, english.length);
    assert.deepEqual(german.filter((text) => english.includes(text)), []);
  });
}
