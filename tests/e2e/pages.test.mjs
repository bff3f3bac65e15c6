// The hosted pages as people see them: light and dark, from right to left, on a phone, enlarged, and in forced colours;
// by keyboard; and by axe, which knows the rules of WCAG that a program can check.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { useBrowser } from "./browser.mjs";
import { DESK, judge, judgeByAxe, measure, WAYS } from "./look.mjs";
import { startServer } from "./server.mjs";

const PATHS = { "the start page": "/", "where nothing is": "/no/such/page" };

// A wide picture, which the card must hold.
const LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="2000" height="100" viewBox="0 0 2000 100"><rect width="2000" height="100" fill="#0f766e"/></svg>';

const use = useBrowser();

async function open(t, url, way) {
  const context = await use.browser.newContext(way);
  t.after(() => context.close());
  const page = await context.newPage();
  const [requests, complaints] = [[], []];
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  // Chromium calls it an error of the page that the page itself is a 404.
  page.on("console", (line) => {
    if (line.type() === "error" && !(line.text().includes("404") && line.location().url === url)) complaints.push(line.text());
  });
  await page.goto(url);
  return { page, requests, complaints };
}

describe("the hosted pages", () => {
  let server;
  before(async () => {
    server = await startServer();
  });
  after(async () => {
    assert.equal(await server.stop(), 0);
  });

  for (const [where, path] of Object.entries(PATHS)) {
    for (const [how, way] of Object.entries(WAYS)) {
      test(`${where}, ${how}`, async (t) => {
        const url = server.url + path;
        const { page, requests, complaints } = await open(t, url, way);
        await judge(page, way);
        assert.deepEqual(requests.filter((url) => !url.startsWith("data:")), [url], "everything is in the page");
        // After what it puts into the page itself.
        assert.deepEqual(complaints, []);
        await judgeByAxe(page);
      });
    }
  }

  test("the card stands in the optical centre: of the free space, three parts are above it and five below", async (t) => {
    const { page } = await open(t, `${server.url}/no/such/page`, WAYS.light);
    const { card } = await page.evaluate(measure);
    assert.ok(Math.abs(card.top / (DESK.height - card.bottom) - 3 / 5) < 0.02, `${card.top} above, ${DESK.height - card.bottom} below`);
  });

  for (const how of ["light", "dark", "in Arabic on a phone", "in forced colours"]) {
    test(`the keyboard goes through the page as it is read, and where it is can be seen, ${how}`, async (t) => {
      const { page } = await open(t, server.url, WAYS[how]);
      const links = await page.evaluate(() => [...document.querySelectorAll("a")].map((link) => link.href));
      const focused = [];
      for (let count = 0; count < links.length; count++) {
        await page.keyboard.press("Tab");
        const { href, outline, top } = await page.evaluate(() => {
          const { outlineWidth, outlineStyle, outlineOffset } = getComputedStyle(document.activeElement);
          return {
            href: document.activeElement.href,
            outline: [outlineWidth, outlineStyle, outlineOffset],
            top: document.activeElement.getBoundingClientRect().top + scrollY,
          };
        });
        assert.deepEqual(outline, ["3px", "solid", "2px"], href);
        assert.ok(top >= (focused.at(-1)?.top ?? 0), "downwards");
        focused.push({ href, top });
      }
      assert.deepEqual(focused.map(({ href }) => href), links);
    });
  }

  test("a reader changes the language", async (t) => {
    const { page } = await open(t, server.url, WAYS.light);
    await page.getByRole("link", { name: "العربية" }).click();
    assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.dir]), ["ar", "rtl"]);
    assert.equal(await page.locator('[aria-current="true"]').textContent(), "العربية");
  });

  for (const how of ["light", "dark"]) {
    test(`the API reference shows every call and tries one, ${how}`, async (t) => {
      const { page, requests, complaints } = await open(t, `${server.url}/docs`, WAYS[how]);
      // It builds itself from all of the document before it shows anything.
      page.setDefaultTimeout(120_000);
      await page.locator(".opblock").first().waitFor();
      const described = await (await fetch(`${server.url}/openapi.json`)).json();
      const methods = ["get", "put", "post", "delete", "patch"];
      const calls = Object.values(described.paths).flatMap((path) => Object.keys(path).filter((key) => methods.includes(key)));
      assert.equal(await page.locator(".opblock").count(), calls.length);
      await page.locator('.opblock:has([data-path="/livez"])').click();
      await page.getByRole("button", { name: "Try it out" }).click();
      await page.getByRole("button", { name: "Execute" }).click();
      const answer = page.locator(".live-responses-table .response");
      await answer.waitFor();
      assert.match(await answer.textContent(), /200.*ok/s);
      const background = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
      assert.equal(background === "rgba(0, 0, 0, 0)", how === "light");
      assert.deepEqual(complaints, []);
      assert.ok(requests.every((url) => url.startsWith(server.url) || url.startsWith("data:")), requests.join());
    });
  }
});

test("a wide logo is shown within the card", async (t) => {
  const { mkdtempSync, rmSync, writeFileSync } = await import("node:fs");
  const { tmpdir } = await import("node:os");
  const { join } = await import("node:path");
  const folder = mkdtempSync(join(tmpdir(), "countersign-logo-"));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "logo.svg"), LOGO);
  const server = await startServer({ PAGES_LOGO_FILE: join(folder, "logo.svg"), PAGES_NAME: "Example" });
  t.after(async () => assert.equal(await server.stop(), 0));
  const { page, complaints } = await open(t, server.url, WAYS["on the smallest phone"]);
  const { picture, card, scroll } = await page.evaluate(measure);
  assert.ok(picture.width > 0 && picture.right <= card.right && scroll[0] <= scroll[1]);
  assert.ok(await page.evaluate(() => document.querySelector(".brand img").naturalWidth > 0));
  assert.deepEqual(complaints, []);
});
