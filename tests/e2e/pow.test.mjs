// The solver of proof-of-work challenges, in a page of the service's own origin, under a strict policy.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { argon2idDigests } from "../assets/pow-argon2id.js";
import { openPage, pageFiles, startSite, useBrowser } from "./browser.mjs";
import { startServer } from "./server.mjs";

const withSolve = (from) => `import { solve } from "${from}/assets/pow.js"; window.solve = solve;`;
const FIVE_MINUTES_MS = 5 * 60_000;
// Nobody finds a nonce for it.
const HOPELESS = 256;

const use = useBrowser();
let server;
before(async () => {
  server = await startServer();
});
after(async () => {
  assert.equal(await server.stop(), 0);
});

function challenge(difficulty, members = {}) {
  const salt = randomBytes(16).toString("hex");
  return { id: "c1", salt, difficulty, expires_at: Date.now() + FIVE_MINUTES_MS, algorithm: "sha256", ...members };
}

// The contract's form of the same challenge.
function inContractForm({ id, salt, difficulty, expires_at, algorithm, memory_kib = 0, iterations = 0 }) {
  const expireTime = new Date(expires_at).toISOString().replace("Z", "000000Z");
  return { id, salt, difficulty, algorithm: `CHALLENGE_ALGORITHM_${algorithm.toUpperCase()}`, expireTime, memoryKib: memory_kib, iterations };
}

function leadingZeroBits(bytes) {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.indexOf("1");
}

function bitsOfSha256({ salt }, nonce) {
  return leadingZeroBits(createHash("sha256").update(salt + nonce, "utf8").digest());
}

// A page with `solve`, closed with the test, that its policy refused no more than it should.
async function openSolver(t, { origin = server.url, files = pageFiles(withSolve("")), refused = [] } = {}) {
  const { page, violations } = await openPage(use.browser, origin, files);
  const workers = [];
  page.on("worker", (worker) => workers.push(worker));
  t.after(async () => {
    await page.close();
    assert.deepEqual(violations, refused);
  });
  return { page, workers };
}

// What a refused call of solve says.
function refusal(page, challenge, options = {}) {
  return page.evaluate(
    ([challenge, options]) => solve(challenge, options).then(
      (nonce) => ({ nonce }),
      ({ name, code, message }) => ({ name, code, message }),
    ),
    [challenge, options],
  );
}

// A worker ends when its page has ended it, which may take it to the end of its batch.
async function allEnd(page, workers) {
  while (page.workers().length > 0) {
    await page.workers()[0].waitForEvent("close").catch(() => {});
  }
  assert.deepEqual(page.workers(), [], `${workers.length} workers were started`);
}

test("a page may not do what the policy forbids", async (t) => {
  const { page } = await openSolver(t, { refused: ["worker-src blob"] });
  const refused = await page.evaluate(
    () => new Promise((resolve) => {
      try {
        new Worker(URL.createObjectURL(new Blob([""]))).onerror = () => resolve("refused");
      } catch {
        resolve("refused");
      }
    }),
  );
  assert.equal(refused, "refused");
});

describe("sha256", () => {
  for (const [form, difficulty, shape] of [["Mail.td's", 18, (it) => it], ["the contract's", 20, inContractForm]]) {
    test(`${form} challenge of ${difficulty} bits`, async (t) => {
      const { page, workers } = await openSolver(t);
      const asked = challenge(difficulty);
      const { nonce, progress } = await page.evaluate(async (challenge) => {
        const progress = [];
        const nonce = await solve(challenge, { workers: 2, onProgress: (made) => progress.push(made) });
        return { nonce, progress };
      }, shape(asked));
      assert.match(nonce, /^[0-9]{12}$/);
      assert.ok(bitsOfSha256(asked, nonce) >= difficulty);
      assert.ok(progress.length > 0);
      assert.ok(progress.every(({ expected }) => expected === 2 ** difficulty));
      assert.ok(progress.every(({ hashes }, i) => i === 0 || hashes > progress[i - 1].hashes));
      assert.equal(workers.length, 2);
      await allEnd(page, workers);
    });
  }

  test("without an algorithm, as Mail.td's document shows it, and beyond ASCII", async (t) => {
    const { page } = await openSolver(t);
    const { algorithm, ...asked } = challenge(12, { salt: "Überraschung, 驚き" });
    const nonce = await page.evaluate((challenge) => solve(challenge), asked);
    assert.ok(bitsOfSha256(asked, nonce) >= 12);
  });

  test("a nonce is the first that is good enough", async (t) => {
    const { page } = await openSolver(t);
    for (let difficulty = 0; difficulty <= 12; difficulty++) {
      const asked = challenge(difficulty);
      const nonce = await page.evaluate((challenge) => solve(challenge, { workers: 1 }), asked);
      let first = 100_000_000_000;
      while (bitsOfSha256(asked, first) < difficulty) first++;
      assert.equal(nonce, String(first), `${difficulty} bits`);
    }
  });

  test("workers begin far apart, and are no more than eight", async (t) => {
    const { page } = await openSolver(t);
    const starts = await page.evaluate(async (challenge) => {
      const starts = [];
      const post = Worker.prototype.postMessage;
      Worker.prototype.postMessage = function (task) {
        starts.push(task.first);
        post.call(this, task);
      };
      await solve(challenge, { workers: 20 });
      return starts;
    }, challenge(4));
    assert.deepEqual(starts, [1, 2, 3, 4, 5, 6, 7, 8].map((i) => i * 1e11));
  });

  test("how fast one worker is", async (t) => {
    const { page } = await openSolver(t);
    const perSecond = await page.evaluate(async (challenge) => {
      const controller = new AbortController();
      let begin;
      let end;
      const onProgress = ({ hashes }) => {
        // The first second is the compiler's.
        if (begin === undefined && hashes >= 1_000_000) begin = { hashes, at: performance.now() };
        if (hashes >= 5_000_000) {
          end = { hashes, at: performance.now() };
          controller.abort();
        }
      };
      await solve(challenge, { workers: 1, signal: controller.signal, onProgress }).catch(() => {});
      return ((end.hashes - begin.hashes) / (end.at - begin.at)) * 1000;
    }, challenge(HOPELESS));
    t.diagnostic(`${(perSecond / 1e6).toFixed(2)} million hashes per second`);
  });
});

describe("argon2id", () => {
  const costs = { algorithm: "argon2id", memory_kib: 4096, iterations: 1 };

  for (const [form, shape] of [["Mail.td's", (it) => it], ["the contract's", inContractForm]]) {
    test(`${form} challenge of 4 MiB and 4 bits`, async (t) => {
      const { page, workers } = await openSolver(t);
      const asked = challenge(4, costs);
      const nonce = await page.evaluate((challenge) => solve(challenge, { workers: 2 }), shape(asked));
      const digest = argon2idDigests(Buffer.from(asked.salt), { memoryKib: 4096, iterations: 1 })(Number(nonce));
      assert.ok(Math.clz32(digest[0]) >= 4);
      await allEnd(page, workers);
    });
  }
});

describe("the page", () => {
  for (const asked of [challenge(HOPELESS), challenge(HOPELESS, { algorithm: "argon2id", memory_kib: 8192, iterations: 2 })]) {
    // Were the work on the page's own thread, no frame would ever be drawn, and nothing would end it but this timeout.
    test(`draws and ends the work while ${asked.algorithm} goes on`, { timeout: 120_000 }, async (t) => {
      const { page, workers } = await openSolver(t);
      const ended = await page.evaluate(async (challenge) => {
        const controller = new AbortController();
        let working;
        const atWork = new Promise((resolve) => {
          working = resolve;
        });
        const solving = solve(challenge, { signal: controller.signal, onProgress: working });
        await atWork;
        for (let frames = 0; frames < 30; frames++) {
          await new Promise(requestAnimationFrame);
        }
        controller.abort(new Error("the person went away"));
        return solving.catch((reason) => reason.message);
      }, asked);
      assert.equal(ended, "the person went away");
      await allEnd(page, workers);
    });
  }

  test("does not begin what was ended before", async (t) => {
    const { page, workers } = await openSolver(t);
    const name = await page.evaluate(
      (challenge) => solve(challenge, { signal: AbortSignal.abort() }).catch((reason) => reason.name),
      challenge(HOPELESS),
    );
    assert.equal(name, "AbortError");
    assert.deepEqual(workers, []);
  });
});

describe("a challenge that expires", () => {
  test("before the work begins", async (t) => {
    const { page, workers } = await openSolver(t);
    for (const asked of [challenge(1, { expires_at: Date.now() - 1 }), inContractForm(challenge(1, { expires_at: Date.now() - 1 }))]) {
      const { name, code } = await refusal(page, asked);
      assert.deepEqual({ name, code }, { name: "ProofOfWorkError", code: "CHALLENGE_EXPIRED" });
    }
    assert.deepEqual(workers, []);
  });

  test("while the workers are at it", async (t) => {
    const { page, workers } = await openSolver(t);
    const code = await page.evaluate((challenge) => {
      let time = challenge.expires_at - 60_000;
      const onProgress = () => {
        time = challenge.expires_at;
      };
      return solve(challenge, { now: () => time, onProgress }).catch((error) => error.code);
    }, challenge(HOPELESS));
    assert.equal(code, "CHALLENGE_EXPIRED");
    await allEnd(page, workers);
  });

  test("while the worker's script does not come", async (t) => {
    const { page } = await openSolver(t);
    await page.route("**/assets/silent.js", () => {});
    const { code } = await refusal(page, challenge(1, { expires_at: Date.now() + 200 }), { workerUrl: "/assets/silent.js" });
    assert.equal(code, "CHALLENGE_EXPIRED");
  });

  test("by the device's clock, but not by the one that the page gives", async (t) => {
    const { page } = await openSolver(t);
    const asked = challenge(4, { expires_at: FIVE_MINUTES_MS });
    const nonce = await page.evaluate((challenge) => solve(challenge, { now: () => 0 }), asked);
    assert.ok(bitsOfSha256(asked, nonce) >= 4);
  });
});

describe("what cannot be solved", () => {
  test("is refused before any worker is started", async (t) => {
    const { page, workers } = await openSolver(t);
    const whole = challenge(1);
    const argon2 = { algorithm: "argon2id", memory_kib: 8, iterations: 1 };
    for (const asked of [
      null,
      "c1",
      { ...whole, salt: undefined },
      { ...whole, salt: 7 },
      { ...whole, difficulty: undefined },
      { ...whole, difficulty: "20" },
      { ...whole, difficulty: -1 },
      { ...whole, difficulty: 1.5 },
      { ...whole, difficulty: 257 },
      { ...whole, expires_at: undefined },
      { ...inContractForm(whole), expireTime: "tomorrow" },
      { ...whole, algorithm: "scrypt" },
      { ...whole, algorithm: "constructor" },
      { ...whole, algorithm: "CHALLENGE_ALGORITHM_UNSPECIFIED" },
      { ...whole, ...argon2, memory_kib: undefined },
      { ...whole, ...argon2, memory_kib: 7 },
      { ...whole, ...argon2, iterations: 0 },
      { ...whole, ...argon2, memory_kib: 65_537 },
      { ...whole, ...argon2, iterations: 17 },
      { ...inContractForm({ ...whole, ...argon2 }), memoryKib: 65_537 },
    ]) {
      const { code, message } = await refusal(page, asked);
      assert.equal(code, "INVALID_CHALLENGE", JSON.stringify(asked));
      assert.match(message, /^(The|This) .*\.$/);
    }
    for (const count of [0, -1, 1.5, "many"]) {
      assert.equal((await refusal(page, whole, { workers: count })).name, "RangeError");
    }
    assert.deepEqual(workers, []);
  });

  test("fails when the worker does not load, and says so", async (t) => {
    const { page, workers } = await openSolver(t);
    const { code, message } = await refusal(page, challenge(1), { workerUrl: "/assets/missing.js" });
    assert.equal(code, "WORKER_FAILED");
    assert.match(message, /\/assets\/missing\.js/);
    await allEnd(page, workers);
  });

  test("fails when the device has no memory for it", async (t) => {
    // What a worker says that finds none.
    const body = 'addEventListener("message", () => { throw new RangeError("Array buffer allocation failed"); });';
    const files = pageFiles(withSolve("")).set("/assets/poor-worker.js", { contentType: "text/javascript", body });
    const { page, workers } = await openSolver(t, { files });
    const asked = challenge(1, { algorithm: "argon2id", memory_kib: 65_536, iterations: 1 });
    const options = { workers: 2, workerUrl: "/assets/poor-worker.js" };
    assert.equal((await refusal(page, asked, options)).code, "WORKER_FAILED");
    await allEnd(page, workers);
  });
});

describe("a page of another origin", () => {
  let site;
  before(async () => {
    const policy = `default-src 'none'; script-src 'self' ${server.url}; worker-src 'self' ${server.url}`;
    const body = `import "${server.url}/assets/pow-worker.js";`;
    const files = pageFiles(withSolve(server.url), policy).set("/pow-worker.js", { contentType: "text/javascript", body });
    site = await startSite(files);
  });
  after(() => site.stop());

  const open = (t) => openSolver(t, { origin: site.origin, files: new Map() });

  test("solves with a worker of its own of one line", async (t) => {
    const { page, workers } = await open(t);
    const asked = challenge(16);
    const nonce = await page.evaluate((challenge) => solve(challenge, { workerUrl: "/pow-worker.js" }), asked);
    assert.ok(bitsOfSha256(asked, nonce) >= 16);
    await allEnd(page, workers);
  });

  test("is told why the service's own worker does not start", async (t) => {
    const { page } = await open(t);
    const { code, message } = await refusal(page, challenge(1));
    assert.equal(code, "WORKER_FAILED");
    assert.match(message, /page's own origin/);
  });
});
