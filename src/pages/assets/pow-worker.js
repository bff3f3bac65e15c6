// The part of pow.js that works, on a thread of its own: it tries one nonce after another until one is good enough.
//
// It is told once what to do, `{algorithm, salt, difficulty, memoryKib, iterations, first}`, and says after each batch how
// many `hashes` that was, at last with the `nonce`. Whoever started it ends it.
import { argon2idDigests } from "./pow-argon2id.js";
import { sha256Digests } from "./pow-sha256.js";

// A batch takes some ten milliseconds: progress is smooth, and messages cost next to nothing.
const ALGORITHMS = {
  sha256: { digests: sha256Digests, batch: 65536 },
  argon2id: { digests: argon2idDigests, batch: 1 },
};

addEventListener("message", ({ data }) => {
  const { digests, batch } = ALGORITHMS[data.algorithm];
  const digest = digests(new TextEncoder().encode(data.salt), data);
  const turns = new MessageChannel();
  let first = data.first;
  turns.port1.onmessage = () => {
    const tried = search(digest, first, first + batch, data.difficulty);
    first += tried.hashes;
    postMessage(tried);
    if (tried.nonce === undefined) {
      turns.port2.postMessage(null);
    }
  };
  // Each batch is a turn of the event loop: a thread that never came back to it would not notice for seconds that it
  // was ended. A timer would wait for some milliseconds each time, a message does not.
  turns.port2.postMessage(null);
});

function search(digest, first, end, difficulty) {
  for (let number = first; number < end; number++) {
    if (leadingZeroBits(digest(number)) >= difficulty) {
      return { hashes: number - first + 1, nonce: String(number) };
    }
  }
  return { hashes: end - first };
}

// Of eight big-endian words.
function leadingZeroBits(words) {
  let bits = 0;
  for (let i = 0; i < 8 && bits === 32 * i; i++) {
    bits += Math.clz32(words[i]);
  }
  return bits;
}
