/**
 * What the guest tells of containers that ran out of memory, at a pace that costs the host nothing: the first of a
 * container at once, what follows together, in pauses that grow while it goes on.
 */
import { Rate } from '../base/rate.ts';

/** First and longest pause between two reports of one container. */
const MIN_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;
/** Reports of all containers of a sandbox. */
const TOTAL = { perSecond: 2, burst: 100 };

interface Entry {
  timer: NodeJS.Timeout;
  pauseMs: number;
  untold: number;
}

export class OomReports {
  readonly #report: (containerId: string, count: number) => void;
  readonly #total = new Rate(TOTAL);
  readonly #entries = new Map<string, Entry>();

  /** @param report told of a container and of how many events it stands for. */
  constructor(report: (containerId: string, count: number) => void) {
    this.#report = report;
  }

  /** @param containerId of a container that is known: each one is remembered for a while. */
  add(containerId: string): void {
    const entry = this.#entries.get(containerId);
    if (entry !== undefined) {
      entry.untold++;
      return;
    }
    const untold = this.#tell(containerId, 1) ? 0 : 1;
    this.#entries.set(containerId, {
      timer: this.#later(containerId, MIN_PAUSE_MS),
      pauseMs: MIN_PAUSE_MS,
      untold,
    });
  }

  /** The container is gone. */
  release(containerId: string): void {
    clearTimeout(this.#entries.get(containerId)?.timer);
    this.#entries.delete(containerId);
  }

  close(): void {
    for (const containerId of [...this.#entries.keys()]) this.release(containerId);
  }

  #tell(containerId: string, count: number): boolean {
    if (!this.#total.take()) return false;
    this.#report(containerId, count);
    return true;
  }

  #later(containerId: string, ms: number): NodeJS.Timeout {
    return setTimeout(() => this.#pauseIsOver(containerId), ms).unref();
  }

  #pauseIsOver(containerId: string): void {
    const entry = this.#entries.get(containerId);
    if (entry === undefined) return;
    if (entry.untold === 0) {
      this.#entries.delete(containerId);
      return;
    }
    if (this.#tell(containerId, entry.untold)) entry.untold = 0;
    entry.pauseMs = Math.min(2 * entry.pauseMs, MAX_PAUSE_MS);
    entry.timer = this.#later(containerId, entry.pauseMs);
  }
}
