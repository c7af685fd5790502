// A shell that stays open in a container or a guest, so that what is timed is the work and not the start of a process.

/** What the shell is typed into and read from. */
export interface Terminal {
  type(text: string): void;
  /** Resolves as soon as the output so far matches. */
  expect(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
}

/** Longest time for one script. */
const LIMIT_MS = 60_000;

export class Shell {
  readonly #terminal: Terminal;
  #count = 0;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  /**
   * Runs a script of `sh`, without output.
   * @returns milliseconds from typing it until its end is known here.
   * @throws Error when it ends with another status than 0.
   */
  async run(script: string): Promise<number> {
    const mark = `end-${++this.#count}-`;
    const begun = performance.now();
    this.#terminal.type(`( ${script}\n) </dev/null >/dev/null 2>&1; echo ${mark}$?.\n`);
    const [, status] = await this.#terminal.expect(new RegExp(`${mark}(\\d+)\\.`), LIMIT_MS);
    if (status !== '0') throw new Error(`status ${status} of: ${script}`);
    return performance.now() - begun;
  }
}
