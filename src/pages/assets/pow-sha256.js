// SHA-256 (FIPS 180-4) of a salt followed by a number in decimal digits, for one number after another.
//
// WebCrypto answers every digest with a promise, which costs far more than the digest. Here the text stays in the very
// words that are hashed, counting up changes its last digits in place, and nothing is allocated between two digests.

const BLOCK_BYTES = 64;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

// FIPS 180-4 section 4.2.2: of the cube roots of the first 64 primes, the first 32 bits of the fraction.
const ROUND_CONSTANTS = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
  0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
  0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
  0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
  0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);
// Section 5.3.3: the same of the square roots of the first eight.
const INITIAL_STATE = new Int32Array([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
]);

const schedule = new Int32Array(64);

// Takes the sixteen words at `at` into the state (section 6.2.2).
function compress(state, words, at) {
  for (let t = 0; t < 16; t++) {
    schedule[t] = words[at + t];
  }
  for (let t = 16; t < 64; t++) {
    const x = schedule[t - 15];
    const y = schedule[t - 2];
    const sigma0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const sigma1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    schedule[t] = sigma1 + schedule[t - 7] + sigma0 + schedule[t - 16];
  }
  // Eight variables, not an array: engines keep them in registers.
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let t = 0; t < 64; t++) {
    const sum1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const choice = g ^ (e & (f ^ g));
    const t1 = (h + sum1 + choice + ROUND_CONSTANTS[t] + schedule[t]) | 0;
    const sum0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const majority = (a & b) | (c & (a | b));
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + sum0 + majority) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}

// Gives back a function from a number to sha256(salt ‖ digits of the number), as eight big-endian words in an array
// that the next call uses again. `salt` is a Uint8Array. Consecutive numbers are the fast case.
export function sha256Digests(salt) {
  const state = new Int32Array(8);
  // What the blocks full of salt lead to: they are hashed once.
  const midstate = Int32Array.from(INITIAL_STATE);
  const remainder = salt.length % BLOCK_BYTES;
  const full = bigEndianWords(salt.subarray(0, salt.length - remainder));
  for (let at = 0; at < full.length; at += 16) {
    compress(midstate, full, at);
  }

  let words;
  let end; // of the digits, in bytes
  let next; // the number whose digits stand in the words

  // Lays out the rest of the salt, the digits and the padding (section 5.1.1).
  function write(number) {
    const digits = new TextEncoder().encode(String(number));
    end = remainder + digits.length;
    const bytes = new Uint8Array(Math.ceil((end + 9) / BLOCK_BYTES) * BLOCK_BYTES);
    bytes.set(salt.subarray(salt.length - remainder));
    bytes.set(digits, remainder);
    bytes[end] = 0x80;
    words = bigEndianWords(bytes);
    const bits = (salt.length + digits.length) * 8;
    words[words.length - 2] = Math.floor(bits / 2 ** 32);
    words[words.length - 1] = bits;
  }

  // Counts the digits up where they stand; one more digit than before moves everything behind it.
  function increment() {
    for (let at = end - 1; at >= remainder; at--) {
      const shift = 24 - 8 * (at & 3);
      if (((words[at >> 2] >>> shift) & 0xff) !== DIGIT_9) {
        words[at >> 2] += 1 << shift;
        return;
      }
      words[at >> 2] -= (DIGIT_9 - DIGIT_0) << shift;
    }
    write(next);
  }

  return (number) => {
    if (number !== next) {
      write(number);
    }
    for (let i = 0; i < 8; i++) {
      state[i] = midstate[i];
    }
    for (let at = 0; at < words.length; at += 16) {
      compress(state, words, at);
    }
    next = number + 1;
    increment();
    return state;
  };
}

function bigEndianWords(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Int32Array.from({ length: bytes.length / 4 }, (_, i) => view.getInt32(4 * i));
}
