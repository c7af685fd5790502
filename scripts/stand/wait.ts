// Bounded waiting for a condition that has no event.
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Calls `probe` until it returns something other than undefined or false. Rejects after `timeoutMs` with `what` and the
 * probe's last error.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 10_000,
  everyMs = 20,
): Promise<T> {
  const end = performance.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      last = error;
    }
    if (performance.now() >= end) throw new Error(`no ${what} within ${timeoutMs} ms`, { cause: last });
    await sleep(everyMs);
  }
}

/** The promise's value, or an error naming `what` after `timeoutMs`. */
export async function within<T>(what: string, timeoutMs: number, promise: Promise<T>): Promise<T> {
  const timer = Promise.withResolvers<never>();
  const handle = setTimeout(
    () => timer.reject(new Error(`${what}: nothing within ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    return await Promise.race([promise, timer.promise]);
  } finally {
    clearTimeout(handle);
  }
}

/** Notifies waiters at once that something they look at has changed. */
export class Changes {
  readonly #watchers = new Set<() => void>();

  notify(): void {
    for (const look of this.#watchers) look();
  }

  /** Calls `look` now and on each change until it returns something. Rejects after `timeoutMs`, naming `what`. */
  async until<T>(what: string, timeoutMs: number, look: () => T | null | undefined): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>();
    const watcher = (): void => {
      const found = look();
      if (found !== null && found !== undefined) resolve(found);
    };
    this.#watchers.add(watcher);
    watcher();
    try {
      return await within(what, timeoutMs, promise);
    } finally {
      this.#watchers.delete(watcher);
    }
  }
}
