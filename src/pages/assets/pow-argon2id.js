// Argon2id version 1.3 (RFC 9106), and BLAKE2b (RFC 7693), on which it stands.
//
// JavaScript has no fast integers of 64 bits, so each of them is two words of 32, the low one first, as in the memory of
// a little-endian machine. An index names the low word; the high one follows it.

const VERSION = 0x13;
const ARGON2ID = 2;
const TAG_BYTES = 32;
const SLICES = 4;
const BLOCK_BYTES = 1024;
const BLOCK_WORDS = BLOCK_BYTES / 4;
const TWO_TO_THE_MINUS_32 = 2 ** -32;

// Gives back a function from a number to argon2id(password: its decimal digits, salt), with one lane, as eight
// big-endian words in an array that the next call uses again. `salt` is a Uint8Array.
export function argon2idDigests(salt, { memoryKib, iterations }) {
  const hash = argon2id({ memoryKib, iterations, lanes: 1 });
  const digest = new Int32Array(8);
  return (number) => {
    const tag = new DataView(hash({ password: utf8(String(number)), salt }).buffer);
    for (let i = 0; i < digest.length; i++) {
      digest[i] = tag.getInt32(4 * i);
    }
    return digest;
  };
}

// ---- Argon2id ----

// Gives back a function that hashes at this cost to 32 bytes. The memory is taken once for all its calls.
export function argon2id({ memoryKib, iterations, lanes }) {
  // Section 3.2: each lane has four slices of equal size; the memory that is over is hashed as a number but not used.
  const segment = Math.floor(memoryKib / (SLICES * lanes));
  const columns = SLICES * segment;
  const blocks = lanes * columns;
  // Behind the blocks of the lanes stand three more: zeros, and two to make addresses with.
  const memory = new Uint32Array((blocks + 3) * BLOCK_WORDS);
  const zeros = blocks * BLOCK_WORDS;
  const counter = zeros + BLOCK_WORDS;
  const addresses = counter + BLOCK_WORDS;
  const block = (lane, column) => (lane * columns + column) * BLOCK_WORDS;

  function fillFirstColumns(h0) {
    for (let lane = 0; lane < lanes; lane++) {
      for (let column = 0; column < 2; column++) {
        const bytes = variableHash(concat(h0, int32(column), int32(lane)), BLOCK_BYTES);
        memory.set(littleEndianWords(bytes), block(lane, column));
      }
    }
  }

  // Section 3.4.1.2: addresses that do not depend on the password come from a block that counts.
  function startCounting(pass, lane, slice) {
    memory.fill(0, counter, addresses);
    [pass, lane, slice, blocks, iterations, ARGON2ID].forEach((value, i) => {
      memory[counter + 2 * i] = value;
    });
  }

  function makeAddresses() {
    memory[counter + 12]++;
    compressBlocks(memory, zeros, counter, addresses, false);
    compressBlocks(memory, zeros, addresses, addresses, false);
  }

  // Section 3.4.2: the block that two random words mean, among those that are finished.
  function reference(pass, lane, slice, index, j1, j2) {
    const from = pass === 0 && slice === 0 ? lane : j2 % lanes;
    const slices = pass === 0 ? slice : SLICES - 1;
    // In its own lane a block may refer to its own slice, but not to the block just before it; nor, in any other lane,
    // may the first block of a slice refer to the very last.
    const own = index - 1;
    const others = index === 0 ? -1 : 0;
    const area = slices * segment + (from === lane ? own : others);
    // Squared, so that later blocks are likelier.
    const back = highHalf(area, highHalf(j1, j1));
    const oldest = pass === 0 ? 0 : (slice + 1) * segment;
    return block(from, (oldest + area - 1 - back) % columns);
  }

  function fillSegment(pass, slice, lane) {
    // What makes it Argon2id: the addresses of half of the first pass tell nothing of the password.
    const independent = pass === 0 && slice < SLICES / 2;
    const first = pass === 0 && slice === 0 ? 2 : 0;
    startCounting(pass, lane, slice);
    for (let index = first; index < segment; index++) {
      const column = slice * segment + index;
      const previous = block(lane, (column + columns - 1) % columns);
      const inBlock = index % (BLOCK_WORDS / 2);
      if (independent && (index === first || inBlock === 0)) {
        makeAddresses();
      }
      const random = independent ? addresses + 2 * inBlock : previous;
      const referred = reference(pass, lane, slice, index, memory[random], memory[random + 1]);
      compressBlocks(memory, previous, referred, block(lane, column), pass > 0);
    }
  }

  return ({ password, salt, secret = new Uint8Array(), associatedData = new Uint8Array() }) => {
    const parameters = [lanes, TAG_BYTES, memoryKib, iterations, VERSION, ARGON2ID].map(int32);
    const inputs = [password, salt, secret, associatedData].flatMap((input) => [int32(input.length), input]);
    fillFirstColumns(blake2b(concat(...parameters, ...inputs), 64));
    for (let pass = 0; pass < iterations; pass++) {
      for (let slice = 0; slice < SLICES; slice++) {
        for (let lane = 0; lane < lanes; lane++) {
          fillSegment(pass, slice, lane);
        }
      }
    }
    const last = memory.slice(block(0, columns - 1), block(0, columns));
    for (let lane = 1; lane < lanes; lane++) {
      const at = block(lane, columns - 1);
      last.forEach((word, i) => {
        last[i] = word ^ memory[at + i];
      });
    }
    return variableHash(littleEndianBytes(last), TAG_BYTES);
  };
}

const mixed = new Uint32Array(BLOCK_WORDS);

// G of section 3.5: two blocks into a third, or, after the first pass, onto it.
function compressBlocks(memory, x, y, out, onto) {
  for (let i = 0; i < BLOCK_WORDS; i++) {
    const word = memory[x + i] ^ memory[y + i];
    mixed[i] = word;
    memory[out + i] = onto ? memory[out + i] ^ word : word;
  }
  // The block is a matrix of 8 × 8 registers of two numbers: first its rows, then its columns.
  for (let row = 0; row < 8; row++) {
    permute(mixed, 32 * row, 4);
  }
  for (let column = 0; column < 8; column++) {
    permute(mixed, 4 * column, 32);
  }
  for (let i = 0; i < BLOCK_WORDS; i++) {
    memory[out + i] ^= mixed[i];
  }
}

// P of section 3.6 on eight registers that lie `stride` words apart.
function permute(words, first, stride) {
  const r0 = first;
  const r1 = r0 + stride;
  const r2 = r1 + stride;
  const r3 = r2 + stride;
  const r4 = r3 + stride;
  const r5 = r4 + stride;
  const r6 = r5 + stride;
  const r7 = r6 + stride;
  mixByProducts(words, r0, r2, r4, r6);
  mixByProducts(words, r0 + 2, r2 + 2, r4 + 2, r6 + 2);
  mixByProducts(words, r1, r3, r5, r7);
  mixByProducts(words, r1 + 2, r3 + 2, r5 + 2, r7 + 2);
  mixByProducts(words, r0, r2 + 2, r5, r7 + 2);
  mixByProducts(words, r0 + 2, r3, r5 + 2, r6);
  mixByProducts(words, r1, r3 + 2, r4, r6 + 2);
  mixByProducts(words, r1 + 2, r2, r4 + 2, r7);
}

// GB of section 3.6: the mixing of BLAKE2b with products in its sums.
function mixByProducts(words, a, b, c, d) {
  let al = words[a];
  let ah = words[a + 1];
  let bl = words[b];
  let bh = words[b + 1];
  let cl = words[c];
  let ch = words[c + 1];
  let dl = words[d];
  let dh = words[d + 1];
  let low;

  ah = sumHigh(al, ah, bl, bh);
  al = sumLow(al, bl);
  // Exclusive or, then a rotation to the right by 32.
  low = dh ^ ah;
  dh = dl ^ al;
  dl = low >>> 0;
  ch = sumHigh(cl, ch, dl, dh);
  cl = sumLow(cl, dl);
  // By 24.
  bl ^= cl;
  bh ^= ch;
  low = (bl >>> 24) | (bh << 8);
  bh = (bh >>> 24) | (bl << 8);
  bl = low >>> 0;

  ah = sumHigh(al, ah, bl, bh);
  al = sumLow(al, bl);
  // By 16.
  dl ^= al;
  dh ^= ah;
  low = (dl >>> 16) | (dh << 16);
  dh = (dh >>> 16) | (dl << 16);
  dl = low >>> 0;
  ch = sumHigh(cl, ch, dl, dh);
  cl = sumLow(cl, dl);
  // By 63.
  bl ^= cl;
  bh ^= ch;
  low = (bl << 1) | (bh >>> 31);
  bh = (bh << 1) | (bl >>> 31);
  bl = low;

  words[a] = al;
  words[a + 1] = ah;
  words[b] = bl;
  words[b + 1] = bh;
  words[c] = cl;
  words[c + 1] = ch;
  words[d] = dl;
  words[d + 1] = dh;
}

// The two halves of x + y + 2 · xl · yl modulo 2^64. Low halves come unsigned; doubles hold these sums exactly.
function sumLow(xl, yl) {
  return (xl + yl + 2 * (Math.imul(xl, yl) >>> 0)) >>> 0;
}

function sumHigh(xl, xh, yl, yh) {
  const carry = (xl + yl + 2 * (Math.imul(xl, yl) >>> 0)) * TWO_TO_THE_MINUS_32;
  return (xh + yh + 2 * highHalf(xl, yl) + (carry | 0)) | 0;
}

// The high half of a product of two unsigned words. A double rounds the product by at most 2^10; what is left of it
// without its low half is a multiple of 2^32, so that the nearest multiple is the exact one.
function highHalf(x, y) {
  return ((x * y - (Math.imul(x, y) >>> 0)) * TWO_TO_THE_MINUS_32 + 0.5) >>> 0;
}

// H' of section 3.3: a hash of any length.
function variableHash(input, length) {
  const prefixed = concat(int32(length), input);
  if (length <= 64) {
    return blake2b(prefixed, length);
  }
  const output = new Uint8Array(length);
  let hash = blake2b(prefixed, 64);
  let at = 0;
  // Half of each hash, but all of the last one.
  for (; length - at > 64; at += 32) {
    output.set(hash.subarray(0, 32), at);
    hash = blake2b(hash, Math.min(64, length - at - 32));
  }
  output.set(hash, at);
  return output;
}

// ---- BLAKE2b ----

// RFC 7693 section 2.6: of the square roots of the first eight primes, the first 64 bits of the fraction.
const IV = new Uint32Array([
  0xf3bcc908, 0x6a09e667, 0x84caa73b, 0xbb67ae85, 0xfe94f82b, 0x3c6ef372, 0x5f1d36f1, 0xa54ff53a, 0xade682d1, 0x510e527f,
  0x2b3e6c1f, 0x9b05688c, 0xfb41bd6b, 0x1f83d9ab, 0x137e2179, 0x5be0cd19,
]);
// Section 2.7: the order in which each round takes the sixteen numbers of the message, as hexadecimal digits.
const ORDERS = [
  "0123456789abcdef",
  "ea489fd61c02b753",
  "b8c052fdae367194",
  "7931dcbe265a40f8",
  "905724afe1bc683d",
  "2c6a0b834d75fe19",
  "c51fed4a0763928b",
  "db7ec13950f4862a",
  "6fe9b308c2d714a5",
  "a2847615fb9e3cd0",
].map((digits) => Array.from(digits, (digit) => 2 * Number.parseInt(digit, 16)));
const ROUNDS = 12;
// The numbers of the state that are mixed together: its columns, then its diagonals.
const QUARTERS = [
  [0, 8, 16, 24],
  [2, 10, 18, 26],
  [4, 12, 20, 28],
  [6, 14, 22, 30],
  [0, 10, 20, 30],
  [2, 12, 22, 24],
  [4, 14, 16, 26],
  [6, 8, 18, 28],
];
const MESSAGE_BYTES = 128;

// The unkeyed hash of these bytes, 1 to 64 bytes long.
export function blake2b(input, length) {
  const state = Uint32Array.from(IV);
  state[0] ^= 0x01010000 ^ length;
  // The empty input is one block of zeros.
  const blocks = Math.max(1, Math.ceil(input.length / MESSAGE_BYTES));
  const padded = new Uint8Array(blocks * MESSAGE_BYTES);
  padded.set(input);
  const words = littleEndianWords(padded);
  for (let i = 1; i <= blocks; i++) {
    const last = i === blocks;
    const message = words.subarray((i - 1) * (MESSAGE_BYTES / 4));
    compressMessage(state, message, last ? input.length : i * MESSAGE_BYTES, last);
  }
  return littleEndianBytes(state).slice(0, length);
}

// F of section 3.2.
function compressMessage(state, message, counted, last) {
  const v = new Uint32Array(32);
  v.set(state);
  v.set(IV, 16);
  // Inputs here are far shorter than 2^32 bytes.
  v[24] ^= counted;
  if (last) {
    v[28] = ~v[28];
    v[29] = ~v[29];
  }
  for (let round = 0; round < ROUNDS; round++) {
    const order = ORDERS[round % ORDERS.length];
    QUARTERS.forEach(([a, b, c, d], i) => {
      add(v, a, v, b);
      add(v, a, message, order[2 * i]);
      xorRotated(v, d, a, 32);
      add(v, c, v, d);
      xorRotated(v, b, c, 24);
      add(v, a, v, b);
      add(v, a, message, order[2 * i + 1]);
      xorRotated(v, d, a, 16);
      add(v, c, v, d);
      xorRotated(v, b, c, 63);
    });
  }
  for (let i = 0; i < 16; i++) {
    state[i] ^= v[i] ^ v[i + 16];
  }
}

function add(v, x, other, y) {
  const low = v[x] + other[y];
  v[x + 1] += other[y + 1] + (low >= 2 ** 32 ? 1 : 0);
  v[x] = low;
}

// v[x] = (v[x] xor v[y]), rotated to the right by 1 to 63 bits.
function xorRotated(v, x, y, bits) {
  let low = v[x] ^ v[y];
  let high = v[x + 1] ^ v[y + 1];
  if (bits >= 32) {
    [low, high] = [high, low];
  }
  const shift = bits % 32;
  v[x] = shift === 0 ? low : (low >>> shift) | (high << (32 - shift));
  v[x + 1] = shift === 0 ? high : (high >>> shift) | (low << (32 - shift));
}

// ---- Bytes ----

function utf8(text) {
  return new TextEncoder().encode(text);
}

function int32(value) {
  return littleEndianBytes([value]);
}

function littleEndianWords(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Uint32Array.from({ length: bytes.length / 4 }, (_, i) => view.getUint32(4 * i, true));
}

function littleEndianBytes(words) {
  const bytes = new Uint8Array(words.length * 4);
  const view = new DataView(bytes.buffer);
  words.forEach((word, i) => view.setUint32(4 * i, word, true));
  return bytes;
}

function concat(...parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
