// Solves Countersign's proof-of-work challenges in a browser, on threads of their own.
//
//     import { solve } from "/assets/pow.js";
//
//     const { challenge } = await (await fetch("/v1/challenges", { method: "POST" })).json();
//     const nonce = await solve(challenge, { onProgress: ({ hashes, expected }) => (bar.value = hashes / expected) });
//     const proofOfWork = { challengeId: challenge.id, nonce };
//
// Of a Content-Security-Policy it needs `script-src 'self'`, no more.
//
// A page of another origin may import it too, but a browser starts only workers of the page's own origin. Such a page
// serves a worker of one line,
//
//     import "https://id.example.com/assets/pow-worker.js";
//
// names it, `solve(challenge, { workerUrl: "/pow-worker.js" })`, and names the service's origin in its policy's `script-src`
// and, if it has one, `worker-src`. Or it serves copies of the four files pow*.js.

const MAX_WORKERS = 8;
// Each worker counts from a number of its own. All of these have twelve digits, so that a salt of up to 43 characters is
// hashed with them in one block, and no worker reaches the next one's within hours.
const NONCES_PER_WORKER = 1e11;
// The longest time that a browser's timer takes, in milliseconds.
const MAX_TIMEOUT = 2 ** 31 - 1;
// The least that Argon2id takes is RFC 9106's (section 3.1); the most is what a page may ask of a device.
const MIN_MEMORY_KIB = 8;
const MAX_MEMORY_KIB = 65_536;
const MAX_ITERATIONS = 16;

const ALGORITHMS = new Map([
  // Mail.td's names, then the contract's.
  ["sha256", "sha256"],
  ["argon2id", "argon2id"],
  ["CHALLENGE_ALGORITHM_SHA256", "sha256"],
  ["CHALLENGE_ALGORITHM_ARGON2ID", "argon2id"],
]);

/**
 * Why there is no nonce. The `code` is
 * - `INVALID_CHALLENGE`: this is no challenge, or one of a kind that this solver does not know;
 * - `CHALLENGE_EXPIRED`: it expired before it was solved; ask for another;
 * - `WORKER_FAILED`: the browser did not load or run the worker; `cause` is what it said, if anything.
 */
export class ProofOfWorkError extends Error {
  name = "ProofOfWorkError";

  constructor(code, message, options) {
    super(message, options);
    this.code = code;
  }
}

/**
 * Finds the nonce of a challenge.
 *
 * @param {object} challenge as the server sent it: the JSON of `POST /v1/challenges`, or of Mail.td's `GET /api/challenge`.
 * @param {object} [options]
 * @param {AbortSignal} [options.signal] ends the work; the promise is rejected with the signal's reason.
 * @param {(progress: {hashes: number, expected: number}) => void} [options.onProgress] is told, several times a second,
 *   how many hashes were made so far and how many it takes on average; now and then it takes a few times as many.
 * @param {number} [options.workers] on how many threads, at most 8; by default one for each core of the device. With
 *   Argon2id each of them needs the memory that the challenge asks for.
 * @param {string | URL} [options.workerUrl] the script of the workers, which must be of the page's own origin.
 * @param {() => number} [options.now] the time in milliseconds since 1970, by a better clock than the device's.
 * @returns {Promise<string>} the nonce.
 * @throws {ProofOfWorkError}
 */
export async function solve(challenge, options = {}) {
  const {
    signal,
    onProgress,
    workers = navigator.hardwareConcurrency || 1,
    workerUrl = new URL("pow-worker.js", import.meta.url),
    now = Date.now,
  } = options;
  signal?.throwIfAborted();
  const { expires, ...task } = read(challenge);
  if (!isWhole(workers, 1, Infinity)) {
    throw new RangeError(`workers must be a whole number above 0, not ${workers}`);
  }
  if (now() >= expires) {
    throw expired();
  }

  const pool = [];
  let timer;
  // Aborted when the promise is settled, which takes every listener away.
  const settled = new AbortController();
  try {
    return await new Promise((resolve, reject) => {
      const until = { signal: settled.signal };
      let hashes = 0;
      const onMessage = ({ data }) => {
        hashes += data.hashes;
        if (now() >= expires) {
          reject(expired());
        } else if (data.nonce !== undefined) {
          resolve(data.nonce);
        }
        onProgress?.({ hashes, expected: 2 ** task.difficulty });
      };
      const onError = (event) => reject(workerFailed(workerUrl, event.error ?? event.message));
      signal?.addEventListener("abort", () => reject(signal.reason), until);
      // Should no worker say anything.
      timer = setTimeout(() => reject(expired()), Math.min(expires - now(), MAX_TIMEOUT));
      for (let i = 1; i <= Math.min(workers, MAX_WORKERS); i++) {
        const worker = startWorker(workerUrl);
        pool.push(worker);
        worker.addEventListener("message", onMessage, until);
        worker.addEventListener("error", onError, until);
        worker.postMessage({ ...task, first: i * NONCES_PER_WORKER });
      }
    });
  } finally {
    settled.abort();
    clearTimeout(timer);
    pool.forEach((worker) => worker.terminate());
  }
}

// What there is to do, and until when, from a challenge in either form.
function read(challenge) {
  const { salt, difficulty, algorithm: name = "sha256", iterations } = challenge ?? {};
  const memoryKib = challenge?.memoryKib ?? challenge?.memory_kib;
  const expires = challenge?.expires_at ?? Date.parse(challenge?.expireTime);
  if (typeof salt !== "string" || !isWhole(difficulty, 0, 256) || !Number.isFinite(expires)) {
    throw invalid("The challenge lacks its salt, its difficulty or its expiry.");
  }
  const algorithm = ALGORITHMS.get(name);
  if (algorithm === undefined) {
    throw invalid(`This solver does not know the algorithm ${name}.`);
  }
  if (algorithm === "argon2id" && !(isWhole(memoryKib, MIN_MEMORY_KIB, MAX_MEMORY_KIB) && isWhole(iterations, 1, MAX_ITERATIONS))) {
    throw invalid(
      `The Argon2id challenge lacks its memory or its iterations, or asks for more than ${MAX_MEMORY_KIB} KiB or ${MAX_ITERATIONS} iterations.`,
    );
  }
  return { expires, algorithm, salt, difficulty, memoryKib, iterations };
}

function isWhole(value, min, max) {
  return Number.isInteger(value) && value >= min && value <= max;
}

function startWorker(url) {
  try {
    return new Worker(url, { type: "module" });
  } catch (cause) {
    throw workerFailed(url, cause);
  }
}

function invalid(message) {
  return new ProofOfWorkError("INVALID_CHALLENGE", message);
}

function expired() {
  return new ProofOfWorkError("CHALLENGE_EXPIRED", "The challenge expired before it was solved.");
}

function workerFailed(url, cause) {
  const message = `The worker ${url} failed. It must be of the page's own origin, and its Content-Security-Policy must allow it.`;
  return new ProofOfWorkError("WORKER_FAILED", message, { cause });
}
