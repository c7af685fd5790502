/**
 * Notices interfaces that appear in the namespace of a running VMM. A netlink socket would need a process in that
 * namespace for as long as the sandbox lives; the VMM's own /proc shows the same for a few reads now and then.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * What a process's /proc tells of its network: it changes when interfaces, addresses or IPv4 routes do.
 * @throws Error when the process is gone.
 */
export async function networkFingerprint(pid: number): Promise<string> {
  const read = (file: string) => readFile(`/proc/${pid}/net/${file}`, 'latin1');
  const [devices, addresses, routes] = await Promise.all([read('dev'), read('fib_trie'), read('route')]);
  // Absent where IPv6 is switched off.
  const six = await read('if_inet6').catch(() => '');
  // What follows a device's name are its counters.
  const names = devices.split('\n').map((line) => line.split(':', 1)[0]?.trim());
  return [names.join(' '), addresses, routes, six].join('\n');
}

/** How often to look: often while an interface is expected, then seldom. */
export interface WatchPace {
  /** For this long after the start ... */
  readonly busyMs: number;
  /** ... this is the pause between two looks, ... */
  readonly busyPauseMs: number;
  /** ... and this afterwards; absent: the watch ends. */
  readonly idlePauseMs?: number;
}

/**
 * Calls `changed` whenever the network of a process looks different and has then been the same for one pause, one
 * call at a time. Resolves when it is stopped, over, or the process is gone; never rejects.
 */
export async function watchNetwork(
  pid: number,
  pace: WatchPace,
  changed: () => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  try {
    let settled = await networkFingerprint(pid);
    let last = settled;
    let busyUntil = performance.now() + pace.busyMs;
    while (!signal.aborted) {
      const isBusy = performance.now() < busyUntil;
      const pause = isBusy ? pace.busyPauseMs : pace.idlePauseMs;
      if (pause === undefined) return;
      await sleep(pause, undefined, { ref: false, signal });
      const now = await networkFingerprint(pid);
      if (now !== last) {
        busyUntil = Math.max(busyUntil, performance.now() + 10 * pace.busyPauseMs);
      } else if (now !== settled) {
        settled = now;
        await changed();
      }
      last = now;
    }
  } catch {
    // Stopped, or the process is gone.
  }
}
