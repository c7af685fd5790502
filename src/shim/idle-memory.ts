/**
 * Gives memory back when the shim has nothing to do. A burst of calls grows V8's heap by several MiB, and V8 by itself
 * keeps them, in every pod until its end. Measured with one idle shim: 14.5 MiB private before, 12.0 after.
 */

/** After this time without a call the shim counts as idle; the collection then takes 5 to 20 ms. */
const IDLE_MS = 2_000;

export class IdleMemory {
  #timer: NodeJS.Timeout | undefined;
  #wasActive = false;

  /** To be called on every RPC; cheap, because it does not restart the timer. */
  active(): void {
    this.#wasActive = true;
    this.#timer ??= setTimeout(() => this.#look(), IDLE_MS).unref();
  }

  #look(): void {
    this.#timer = undefined;
    if (!this.#wasActive) {
      // Available because of --expose-gc (start.ts).
      globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
      return;
    }
    this.#wasActive = false;
    this.#timer = setTimeout(() => this.#look(), IDLE_MS).unref();
  }
}
