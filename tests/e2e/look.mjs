// How a page looks and reads: the ways in which people come to it, and what the lines of the design brief are checked with.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

export const DESK = { width: 1280, height: 900 };
export const PHONE = { width: 390, height: 844 };
export const WAYS = {
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
// What the lines of the design brief are checked with, measured in the page.
export function measure() {
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
    return { name: name(element), small: ["pre", "label"].includes(element.localName), size: parseFloat(style.fontSize), contrast: contrast(parse(style.color), behind(element)) };
  });
  const controls = [...document.querySelectorAll("a[href], button, input:not([type=hidden])")].filter((element) => element.checkVisibility()).map((element) => {
    const { width, height } = element.getBoundingClientRect();
    return { name: name(element), width, height };
  });
  const borders = [...document.querySelectorAll("input:not([type=hidden]), .secondary")].map((element) => ({
    name: name(element),
    contrast: contrast(parse(getComputedStyle(element).borderBlockStartColor), behind(element.parentElement)),
  }));
  const button = document.querySelector(".button");
  const card = document.querySelector("main").getBoundingClientRect();
  const box = (it) => ({ left: it.left, right: it.right, top: it.top, bottom: it.bottom, width: it.width, height: it.height });
  const boxes = (selector) => [...document.querySelectorAll(selector)].map((element) => box(element.getBoundingClientRect()));
  return {
    texts,
    controls,
    borders,
    titles: document.querySelectorAll("h1").length,
    buttons: document.querySelectorAll(".button").length,
    buttonContrast: contrast(parse(getComputedStyle(button).borderBlockStartColor), behind(button.parentElement)),
    buttonBorder: getComputedStyle(button).borderBlockStartWidth,
    card: box(card),
    picture: box(document.querySelector(".brand img").getBoundingClientRect()),
    scroll: [document.documentElement.scrollWidth, innerWidth],
    tall: [document.documentElement.scrollHeight, innerHeight],
    languages: document.querySelector(".languages")?.getBoundingClientRect().height ?? 0,
    direction: getComputedStyle(document.body).direction,
    choice: boxes(".choice > button"),
    errors: boxes(".error").map(({ top }, at) => top - boxes(".field > input[aria-invalid]")[at].bottom),
    free: [card.top + scrollY, document.documentElement.scrollHeight - card.bottom - scrollY],
    moving: [...document.querySelectorAll("*")].map(getComputedStyle).filter((it) => it.animationName !== "none" || it.transitionDuration !== "0s").length,
  };
}

// Of what has the focus: which of the controls it is, and the ring around it.
export function focused() {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(element);
  const controls = [...document.querySelectorAll("a[href], button, input:not([type=hidden])")].filter((element) => element.checkVisibility());
  return { at: controls.indexOf(element), ring: [outlineStyle, outlineWidth, outlineOffset] };
}

// Holds a page that was opened this way to the lines of the brief.
export async function judge(page, way) {
  const seen = await page.evaluate(measure);
  assert.deepEqual([seen.titles, seen.buttons], [1, 1], "one title and one primary button");
  assert.equal(seen.moving, 0);
  assert.ok(seen.scroll[0] <= seen.scroll[1], `it scrolls sideways: ${seen.scroll}`);
  for (const { name, height, width } of seen.controls) {
    assert.ok(height >= 44 && width >= 44, `${name} is ${width} by ${height}`);
  }
  for (const { name, small, size, contrast } of seen.texts) {
    assert.ok(size >= (small ? 14 : 16), `${name} has ${size} px`);
    assert.ok(contrast >= 4.5, `${name} has a contrast of ${contrast}`);
  }
  for (const { name, contrast } of seen.borders) {
    assert.ok(contrast >= 3, `the border of ${name} has a contrast of ${contrast}`);
  }
  assert.ok(seen.buttonContrast >= 3, `the button has a contrast of ${seen.buttonContrast}`);
  assert.equal(seen.buttonBorder, "1px");
  const narrow = way.viewport.width <= 480;
  // Of the free space three parts are above the card and five below, as far as the languages leave room for it.
  const [above, below] = seen.free;
  const wanted = Math.max(narrow ? 0 : 24, Math.min(((above + below) * 3) / 8, above + below - seen.languages));
  assert.ok(Math.abs(above - wanted) < 1, `the card has ${above} px above it and ${below} px below`);
  if (seen.choice.length > 0) {
    const [deny, allow] = seen.choice;
    assert.deepEqual([deny.width, deny.height], [allow.width, allow.height], "to deny is as large as to allow");
  }
  for (const gap of seen.errors) {
    assert.ok(gap >= 0 && gap <= 6, `an error is ${gap} px under its field`);
  }
  const isArabic = (way.locale ?? "").startsWith("ar");
  assert.equal(seen.direction, isArabic ? "rtl" : "ltr");
  const inset = isArabic ? seen.card.right - seen.picture.right : seen.picture.left - seen.card.left;
  assert.equal(inset, narrow ? 21 : 41, "the brand stands where a line begins");
  assert.equal(seen.card.width, narrow ? way.viewport.width : 400);
}

// Whether a page is also walked through by its keys: what is seen there depends on no language.
export const isWalked = (way) => [WAYS.light, WAYS["in Arabic on a phone"], WAYS["in forced colours"]].includes(way);

// Walks through a page by the Tab key: every control comes once, in the order in which it is read, and is seen to have the focus.
export async function judgeFocus(page) {
  const { controls } = await page.evaluate(measure);
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute("tabindex");
  });
  for (const [at, { name }] of controls.entries()) {
    await page.keyboard.press("Tab");
    assert.deepEqual(await page.evaluate(focused), { at, ring: ["solid", "3px", "2px"] }, name);
  }
}

// Holds a page to the rules of WCAG that a program can check, by axe.
export async function judgeByAxe(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate((rules) => axe.run(document, { runOnly: rules }), RULES);
  assert.deepEqual(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]), []);
}

// The texts of a page that it has in one language alone, those for screen readers and scripts included. What says that it is in
// another language is left out, as are names.
export function texts() {
  const marked = (element) => element.closest("main [lang], nav [lang], bdi") !== null;
  const found = [document.title.split(" · ")[0]];
  for (const element of document.querySelectorAll("main *, nav, nav *")) {
    if (marked(element)) continue;
    const own = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.data);
    const attributes = ["aria-label", "alt", "title", "placeholder"].map((name) => element.getAttribute(name) ?? "");
    // These two are for scripts alone; the others are what they say.
    const { toggle, work, ...said } = element.dataset;
    found.push(...own, ...attributes, ...Object.values(said));
  }
  return found.map((text) => text.trim()).filter((text) => /\p{Letter}/u.test(text));
}
