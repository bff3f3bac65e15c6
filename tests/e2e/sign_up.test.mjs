// A page gets a challenge from the program, solves it, and signs a person up with the solution.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { openPage, pageFiles, startSite, useBrowser } from "./browser.mjs";
import { startServer } from "./server.mjs";

const PASSWORD = "a long enough secret";
const SETTINGS = { SIGNUP_PROOF_OF_WORK: "all" };

const use = useBrowser();

// The page's own script; `from` is the service's origin, or nothing on a page of its own.
const script = (from) => `
  import { solve } from "${from}/assets/pow.js";

  async function post(path, body) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch("${from}" + path, { method: "POST", headers, body: JSON.stringify(body) });
    return { status: answer.status, body: await answer.json() };
  }

  window.work = async (options) => {
    const { challenge } = (await post("/v1/challenges", {})).body;
    return { challenge, proof: { challengeId: challenge.id, nonce: await solve(challenge, options) } };
  };
  window.signUp = async (email, proofOfWork) => {
    const { status, body } = await post("/v1/accounts", { email, password: "${PASSWORD}", proofOfWork });
    return [status, body.account?.email ?? body.details[0].reason];
  };
`;

async function open(t, origin, files) {
  const { page, violations } = await openPage(use.browser, origin, files);
  t.after(async () => {
    await page.close();
    assert.deepEqual(violations, []);
  });
  return {
    work: (options = {}) => page.evaluate((options) => work(options), options),
    signUp: (email, proof) => page.evaluate(([email, proof]) => signUp(email, proof), [email, proof]),
  };
}

for (const [name, settings, algorithm] of [
  ["SHA-256", SETTINGS, "CHALLENGE_ALGORITHM_SHA256"],
  ["Argon2id", { ...SETTINGS, SIGNUP_ALGORITHM: "argon2id" }, "CHALLENGE_ALGORITHM_ARGON2ID"],
]) {
  describe(`where every sign-up takes work of ${name}`, () => {
    let server;
    before(async () => {
      server = await startServer(settings);
    });
    after(async () => {
      assert.equal(await server.stop(), 0);
    });

    test("a person signs up from the service's own page, and each solution is good for one", async (t) => {
      const person = await open(t, server.url, pageFiles(script("")));
      assert.deepEqual(await person.signUp("ada@example.com"), [400, "CHALLENGE_REQUIRED"]);
      const { challenge, proof } = await person.work();
      assert.equal(challenge.algorithm, algorithm);
      assert.deepEqual(await person.signUp("ada@example.com", proof), [200, "ada@example.com"]);
      assert.deepEqual(await person.signUp("bob@example.com", proof), [400, "CHALLENGE_INVALID"]);
      const next = await person.work();
      assert.deepEqual(await person.signUp("bob@example.com", next.proof), [200, "bob@example.com"]);
    });
  });
}

test("a person signs up from the page of another origin, which may call and brings a worker of its own", async (t) => {
  const files = new Map();
  const site = await startSite(files);
  t.after(site.stop);
  const server = await startServer({ ...SETTINGS, CORS_ORIGINS: site.origin });
  t.after(async () => assert.equal(await server.stop(), 0));
  const policy = `default-src 'none'; script-src 'self' ${server.url}; connect-src ${server.url}`;
  pageFiles(script(server.url), policy).forEach((file, path) => files.set(path, file));
  files.set("/pow-worker.js", { contentType: "text/javascript", body: `import "${server.url}/assets/pow-worker.js";` });
  const person = await open(t, site.origin);
  const { proof } = await person.work({ workerUrl: "/pow-worker.js" });
  assert.deepEqual(await person.signUp("ada@example.com", proof), [200, "ada@example.com"]);
});
