/** The end of an output that nobody trusts: bounded in memory, free of control characters when read. */

const DEFAULT_BYTES = 64 * 1024;
/** Of single lines so much is given: no guest can hide its last words behind a line without end. */
const MAX_LINE = 300;

// CSI and OSC sequences, then two-byte escapes; what is left of C0, DEL and C1 goes one by one.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const ESCAPES = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** How Linux begins what it says of a fault that it does not survive. */
export const PANIC = /\b(?:BUG:|kernel BUG at|Oops:|Kernel panic)/;

/** Text of unknown origin, made safe for logs and terminals: only line feeds and tabs stay of the controls. */
export function sanitizeText(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(ESCAPES, '').replace(CONTROLS, '');
}

/** Keeps the last bytes of what is pushed. */
export class ConsoleRing {
  readonly #limit: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(limitBytes = DEFAULT_BYTES) {
    this.#limit = limitBytes;
  }

  push(data: Uint8Array): void {
    if (data.length === 0) return;
    // A copy: the pushed one may be a view of a far larger buffer, which would then stay in memory.
    const chunk = Buffer.from(data.subarray(Math.max(0, data.length - this.#limit)));
    const last = this.#chunks.at(-1);
    // A guest that writes byte by byte must not cost an object per byte.
    if (last && last.length + chunk.length <= 1024)
      this.#chunks[this.#chunks.length - 1] = Buffer.concat([last, chunk]);
    else this.#chunks.push(chunk);
    this.#size += chunk.length;
    this.#trim();
  }

  #trim(): void {
    while (this.#size > this.#limit) {
      const first = this.#chunks[0];
      if (!first) return;
      const excess = this.#size - this.#limit;
      if (first.length <= excess) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(excess);
      this.#size -= Math.min(first.length, excess);
    }
  }

  /** All that is kept, sanitized. */
  text(): string {
    return sanitizeText(Buffer.concat(this.#chunks).toString('utf8'));
  }

  /** The last lines that are not empty. */
  lastLines(count: number): string {
    return this.#lines().slice(-count).join('\n');
  }

  /** Lines of a kernel's panic that say most: the first ones, which name the fault, and the last one; or the last lines. */
  panicLines(count: number): string {
    const lines = this.#lines();
    const fault = lines.findIndex((line) => PANIC.test(line));
    if (fault === -1 || lines.length - fault <= count) return lines.slice(-count).join('\n');
    const verdict = lines.findLast((line) => line.includes('Kernel panic')) ?? lines.at(-1);
    return [...lines.slice(fault, fault + count - 1), verdict].join('\n');
  }

  #lines(): string[] {
    return this.text()
      .split('\n')
      .filter((line) => line.trim() !== '')
      .map((line) => (line.length > MAX_LINE ? `${line.slice(0, MAX_LINE)}...` : line));
  }
}
