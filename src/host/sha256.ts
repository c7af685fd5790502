/**
 * SHA-256 (FIPS 180-4) of a short text. Node's own comes with OpenSSL, and loading that costs each `start` and `delete`
 * more than all of our code; all they hash is one path.
 */

const ROUNDS = 64;
const BLOCK_BYTES = 64;

/** Fractions of the square and cube roots of the first primes. */
const INITIAL = primes(8).map((prime) => fraction(Math.sqrt(prime)));
const CONSTANTS = primes(ROUNDS).map((prime) => fraction(Math.cbrt(prime)));

/** @returns 64 hexadecimal digits. */
export function sha256Hex(text: string): string {
  const message = padded(Buffer.from(text));
  const state = [...INITIAL];
  for (let offset = 0; offset < message.length; offset += BLOCK_BYTES) compress(state, message, offset);
  return state.map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

/** A one bit, zeros up to a whole block, and the length in bits as its last eight bytes. */
function padded(bytes: Buffer): Buffer {
  const message = Buffer.alloc(Math.ceil((bytes.length + 9) / BLOCK_BYTES) * BLOCK_BYTES);
  bytes.copy(message);
  message[bytes.length] = 0x80;
  message.writeBigUInt64BE(BigInt(bytes.length * 8), message.length - 8);
  return message;
}

function compress(state: number[], message: Buffer, offset: number): void {
  const words = schedule(message, offset);
  let [a, b, c, d, e, f, g, h] = state as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < ROUNDS; i++) {
    const choice = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const first = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + choice + CONSTANTS[i]! + words[i]!) | 0;
    const second = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + majority) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) | 0, c, b, a, (first + second) | 0];
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] = (state[i]! + word) | 0;
}

function schedule(message: Buffer, offset: number): Int32Array {
  const words = new Int32Array(ROUNDS);
  for (let i = 0; i < 16; i++) words[i] = message.readInt32BE(offset + i * 4);
  for (let i = 16; i < ROUNDS; i++) {
    const [early, late] = [words[i - 15]!, words[i - 2]!];
    const first = turn(early, 7) ^ turn(early, 18) ^ (early >>> 3);
    const second = turn(late, 17) ^ turn(late, 19) ^ (late >>> 10);
    words[i] = words[i - 16]! + first + words[i - 7]! + second;
  }
  return words;
}

function turn(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}

function fraction(root: number): number {
  return ((root - Math.floor(root)) * 2 ** 32) | 0;
}

function primes(count: number): number[] {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) if (found.every((prime) => n % prime !== 0)) found.push(n);
  return found;
}
