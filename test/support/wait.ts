// Bounded waiting for a condition that nothing announces.
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks `probe` until it gives something other than undefined or false. Rejects after `timeoutMs` with `what` and the
 * last error of the probe.
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
