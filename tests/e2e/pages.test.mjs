// The hosted pages as people see them: light and dark, from right to left, on a phone, enlarged, and in forced colours;
// by keyboard; and by axe, which knows the rules of WCAG that a program can check.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { useBrowser } from "./browser.mjs";
import { startServer } from "./server.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

const DESK = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };
const WAYS = {
  light: { viewport: DESK, colorScheme: "light" },
  dark: { viewport: DESK, colorScheme: "dark" },
  "in German": { viewport: DESK, locale: "de-DE" },
  "in Spanish on a phone": { viewport: PHONE, locale: "es-MX", colorScheme: "dark" },
  "in Arabic on a phone": { viewport: PHONE, locale: "ar-EG" },
  "in Arabic in the dark": { viewport: DESK, locale: "ar", colorScheme: "dark" },
  "on the smallest phone": { viewport: { width: 320, height: 568 } },
  // A window of 1280 by 1024 pixels has these many of CSS then.
  "at 400 %": { viewport: { width: 320, height: 256 }, deviceScaleFactor: 4 },
  "in forced colours": { viewport: DESK, forcedColors: "active" },
};
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

// What the lines of the design brief are checked with, measured in the page.
function measure() {
  const parse = (color) => {
    const [red, green, blue, alpha = 1] = color.match(/[\d.]+/g).map(Number);
    return { rgb: [red, green, blue], alpha };
  };
  const luminance = ({ rgb }) => {
    const [red, green, blue] = rgb.map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const contrast = (one, other) => {
    const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
    return (light + 0.05) / (dark + 0.05);
  };
  const behind = (element) => {
    for (let it = element; it !== null; it = it.parentElement) {
      const color = parse(getComputedStyle(it).backgroundColor);
      if (color.alpha === 1) return color;
    }
    return parse("rgb(255, 255, 255)");
  };
  const hasText = (element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
  const name = (element) => `${element.localName} "${element.textContent.trim().slice(0, 40)}"`;
  const texts = [...document.body.querySelectorAll("*")].filter(hasText).map((element) => {
    const style = getComputedStyle(element);
    return { name: name(element), code: element.localName === "pre", size: parseFloat(style.fontSize), contrast: contrast(parse(style.color), behind(element)) };
  });
  const controls = [...document.querySelectorAll("a[href], button, input")].map((element) => {
    const { width, height } = element.getBoundingClientRect();
    return { name: name(element), width, height };
  });
  const button = document.querySelector(".button");
  const card = document.querySelector("main").getBoundingClientRect();
  const box = (it) => ({ left: it.left, right: it.right, top: it.top, bottom: it.bottom, width: it.width });
  return {
    texts,
    controls,
    titles: document.querySelectorAll("h1").length,
    buttons: document.querySelectorAll(".button").length,
    buttonContrast: contrast(parse(getComputedStyle(button).borderBlockStartColor), behind(button.parentElement)),
    buttonBorder: getComputedStyle(button).borderBlockStartWidth,
    card: box(card),
    picture: box(document.querySelector(".brand img").getBoundingClientRect()),
    scroll: [document.documentElement.scrollWidth, innerWidth],
    direction: getComputedStyle(document.body).direction,
    moving: [...document.querySelectorAll("*")].map(getComputedStyle).filter((it) => it.animationName !== "none" || it.transitionDuration !== "0s").length,
  };
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
        const seen = await page.evaluate(measure);
        assert.deepEqual([seen.titles, seen.buttons], [1, 1], "one title and one primary button");
        assert.equal(seen.moving, 0);
        assert.ok(seen.scroll[0] <= seen.scroll[1], `it scrolls sideways: ${seen.scroll}`);
        for (const { name, height, width } of seen.controls) {
          assert.ok(height >= 44 && width >= 44, `${name} is ${width} by ${height}`);
        }
        for (const { name, code, size, contrast } of seen.texts) {
          assert.ok(size >= (code ? 14 : 16), `${name} has ${size} px`);
          assert.ok(contrast >= 4.5, `${name} has a contrast of ${contrast}`);
        }
        assert.ok(seen.buttonContrast >= 3, `the button has a contrast of ${seen.buttonContrast}`);
        assert.equal(seen.buttonBorder, "1px");
        const isArabic = (way.locale ?? "").startsWith("ar");
        assert.equal(seen.direction, isArabic ? "rtl" : "ltr");
        const inset = isArabic ? seen.card.right - seen.picture.right : seen.picture.left - seen.card.left;
        const narrow = way.viewport.width <= 480;
        assert.equal(inset, narrow ? 21 : 41, "the brand stands where a line begins");
        assert.equal(seen.card.width, narrow ? way.viewport.width : 400);

        assert.deepEqual(requests.filter((url) => !url.startsWith("data:")), [url], "everything is in the page");
        // After what it puts into the page itself.
        assert.deepEqual(complaints, []);
        await page.evaluate(AXE);
        const { violations } = await page.evaluate((rules) => axe.run(document, { runOnly: rules }), RULES);
        assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
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
