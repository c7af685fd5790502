/**
 * Notices interfaces that appear in the namespace of a running VMM. A netlink socket would need a process in that
 * namespace for as long as the sandbox lives; polling the VMM's own /proc shows the same for a few reads.
 */
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * A process's network according to its /proc: differs when interfaces, addresses or IPv4 routes do.
 * @throws Error when the process is gone.
 */
export async function networkFingerprint(pid: number): Promise<string> {
  const read = (file: string) => readFile(`/proc/${pid}/net/${file}`, 'latin1');
  const [devices, addresses, routes] = await Promise.all([read('dev'), read('fib_trie'), read('route')]);
  // Absent when IPv6 is disabled.
  const six = await read('if_inet6').catch(() => '');
  // Without the counters that follow a device's name.
  const names = devices.split('\n').map((line) => line.split(':', 1)[0]?.trim());
  return [names.join(' '), addresses, routes, six].join('\n');
}

/** How often to poll: often while an interface is expected, then rarely. */
export interface WatchPace {
  /** For this long after the start ... */
  readonly busyMs: number;
  /** ... this is the pause between two polls, ... */
  readonly busyPauseMs: number;
  /** ... and this afterwards; absent: the watch ends. */
  readonly idlePauseMs?: number;
}

/**
 * Calls `changed`, one call at a time, whenever the network of a process has changed and then stayed the same for one
 * pause. Resolves when it is aborted, its time is over, or the process is gone; never rejects.
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
    // Aborted, or the process is gone.
  }
}
