/** The tail of untrusted output: bounded in memory, without control characters when read. */

const DEFAULT_BYTES = 64 * 1024;
/** Characters kept of each line, so that a guest cannot hide its last words behind an endless line. */
const MAX_LINE = 300;

// CSI and OSC sequences, then two-byte escapes; the rest of C0, DEL and C1 is removed one by one.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const ESCAPES = /\u001b\[[0-?]*[ -/]*[@-~]|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[ -/]*[0-~]?/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

/** How Linux begins its report of a fatal fault. */
export const PANIC = /\b(?:BUG:|kernel BUG at|Oops:|Kernel panic)/;

/** Makes untrusted text safe for logs and terminals: of the control characters only line feeds and tabs stay. */
export function sanitizeText(text: string): string {
  return text.replace(/\r\n?/g, '\n').replace(ESCAPES, '').replace(CONTROLS, '');
}

/** Keeps the last bytes pushed to it. */
export class ConsoleRing {
  readonly #limit: number;
  readonly #chunks: Buffer[] = [];
  #size = 0;

  constructor(limitBytes = DEFAULT_BYTES) {
    this.#limit = limitBytes;
  }

  push(data: Uint8Array): void {
    if (data.length === 0) return;
    // A copy, because the original may be a view that would keep a far larger buffer in memory.
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

  /** Everything kept, sanitized. */
  text(): string {
    return sanitizeText(Buffer.concat(this.#chunks).toString('utf8'));
  }

  /** The last lines that are not empty. */
  lastLines(count: number): string {
    return this.#lines().slice(-count).join('\n');
  }

  /** The key lines of a kernel panic: the first ones, which name the fault, and the last one; else the last lines. */
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
