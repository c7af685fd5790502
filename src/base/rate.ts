/** A token bucket: something may happen `burst` times at once, then `perSecond` times a second. */
export class Rate {
  readonly #perSecond: number;
  readonly #burst: number;
  #left: number;
  #at = performance.now();

  constructor(limits: { readonly perSecond: number; readonly burst: number }) {
    this.#perSecond = limits.perSecond;
    this.#burst = limits.burst;
    this.#left = limits.burst;
  }

  /**
   * Counts an event.
   * @param weight how many events it counts as.
   * @returns false when it exceeds the limit; it is then not counted.
   */
  take(weight = 1): boolean {
    const now = performance.now();
    this.#left = Math.min(this.#burst, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    if (this.#left < weight) return false;
    this.#left -= weight;
    return true;
  }
}
