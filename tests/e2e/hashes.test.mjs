// The solver's hash functions, against the vectors of their standards and against other implementations.
import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { argon2id, argon2idDigests, blake2b } from "../assets/pow-argon2id.js";
import { sha256Digests } from "../assets/pow-sha256.js";

const hex = (bytes) => Buffer.from(bytes).toString("hex");

function hexOfWords(words) {
  const bytes = Buffer.alloc(4 * words.length);
  words.forEach((word, i) => bytes.writeInt32BE(word, 4 * i));
  return bytes.toString("hex");
}

describe("sha256", () => {
  const expected = (salt, number) => createHash("sha256").update(salt).update(String(number)).digest("hex");

  test("of every length of salt, which begins the number at every place in a block", () => {
    for (let length = 0; length <= 200; length++) {
      const salt = randomBytes(length);
      const digest = sha256Digests(salt);
      for (const number of [100000000000, 100000000001, 100000000002]) {
        assert.equal(hexOfWords(digest(number)), expected(salt, number), `${length} bytes, ${number}`);
      }
    }
  });

  test("of numbers that gain a digit or carry into the salt's word", () => {
    for (const length of [0, 21, 22, 23, 24, 54, 55, 64, 118]) {
      const salt = randomBytes(length);
      const digest = sha256Digests(salt);
      for (const start of [0, 95, 999_995, 199_999_999_995, 999_999_999_995, Number.MAX_SAFE_INTEGER - 10]) {
        for (let number = start; number < start + 10; number++) {
          assert.equal(hexOfWords(digest(number)), expected(salt, number), `${length} bytes, ${number}`);
        }
      }
    }
  });

  test("of numbers in no order", () => {
    const salt = randomBytes(32);
    const digest = sha256Digests(salt);
    for (const number of [7, 7, 6, 8, 123_456, 9, 10, 12]) {
      assert.equal(hexOfWords(digest(number)), expected(salt, number));
    }
  });

  test("of a salt beyond ASCII", () => {
    const salt = new TextEncoder().encode("Überraschung, 驚き");
    assert.equal(hexOfWords(sha256Digests(salt)(42)), expected(salt, 42));
  });
});

describe("BLAKE2b", () => {
  test("the example of RFC 7693, appendix A", () => {
    const digest = blake2b(new TextEncoder().encode("abc"), 64);
    assert.equal(
      hex(digest),
      "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
    );
  });

  test("of every length up to five blocks", () => {
    for (let length = 0; length <= 640; length++) {
      const input = randomBytes(length);
      assert.equal(hex(blake2b(input, 64)), createHash("blake2b512").update(input).digest("hex"), `${length} bytes`);
    }
  });
});

describe("argon2id", () => {
  test("the test vector of RFC 9106, section 5.3", () => {
    const tag = argon2id({ memoryKib: 32, iterations: 3, lanes: 4 })({
      password: new Uint8Array(32).fill(1),
      salt: new Uint8Array(16).fill(2),
      secret: new Uint8Array(8).fill(3),
      associatedData: new Uint8Array(12).fill(4),
    });
    assert.equal(hex(tag), "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659");
  });

  // tests/it/pow_vectors.rs holds the same file to what the server computes.
  const { argon2id: vectors } = JSON.parse(readFileSync(new URL("vectors.json", import.meta.url)));
  for (const { salt, nonce, memoryKib, iterations, hash } of vectors) {
    test(`as the server: ${memoryKib} KiB, ${iterations} passes, nonce ${nonce}`, () => {
      const digest = argon2idDigests(new TextEncoder().encode(salt), { memoryKib, iterations });
      assert.equal(hexOfWords(digest(nonce)), hash);
      // The memory is used again, and nothing of the last call may be left in it.
      digest(nonce + 1);
      assert.equal(hexOfWords(digest(nonce)), hash);
    });
  }
});
