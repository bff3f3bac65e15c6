// Debian's Chromium, and pages in it on an origin of this machine.
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before } from "node:test";
import { chromium } from "playwright-core";

// The browser's program; `tests/run e2e` sets it.
const EXECUTABLE = process.env.COUNTERSIGN_TEST_CHROMIUM;
// As strict as the hosted pages will be: no inline script, no eval, no blob: and no other origin.
export const STRICT_POLICY = "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'";

// One browser for the tests of a file.
export function useBrowser() {
  const use = {};
  before(async () => {
    use.browser = await chromium.launch({
      executablePath: EXECUTABLE,
      // Chromium refuses to run its sandbox as root.
      chromiumSandbox: process.getuid() !== 0,
      // No name but those of this machine has an address, whatever the browser would like to fetch.
      args: ["--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"],
    });
  });
  after(() => use.browser.close());
  return use;
}

// The files of an empty page that runs this script under this policy.
export function pageFiles(script, policy = STRICT_POLICY) {
  const html = '<!doctype html><title>e2e</title><script type="module" src="/e2e/page.js"></script>';
  return new Map([
    ["/e2e/page", { contentType: "text/html", headers: { "content-security-policy": policy }, body: html }],
    ["/e2e/page.js", { contentType: "text/javascript", body: script }],
  ]);
}

// Opens the page of an origin. The files in hand are put before what the origin itself serves.
export async function openPage(browser, origin, files = new Map()) {
  const page = await browser.newPage();
  const violations = [];
  await page.exposeFunction("onViolation", (violation) => violations.push(violation));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
      onViolation(`${effectiveDirective} ${blockedURI}`),
    );
  });
  for (const [path, file] of files) {
    await page.route(origin + path, (route) => route.fulfill(file));
  }
  await page.goto(`${origin}/e2e/page`);
  return { page, violations };
}

// Serves these files from an origin of their own. (Chromium keeps a page that is put before its origin away from other
// origins of this machine, because it came from nowhere.)
export async function startSite(files) {
  const site = createServer((request, response) => {
    const { contentType, headers, body } = files.get(request.url) ?? {};
    response.writeHead(body === undefined ? 404 : 200, { ...headers, "content-type": contentType ?? "text/plain" }).end(body);
  });
  site.listen(0, "127.0.0.1");
  await once(site, "listening");
  return { origin: `http://127.0.0.1:${site.address().port}`, stop: () => site.close() };
}
