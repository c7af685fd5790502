/**
 * stat(2) of paths whose file system may never answer (NFS, FUSE): a call that hangs occupies one of the four threads
 * of libuv's pool, and a synchronous one would stop the whole process.
 */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ShimError } from '../base/errors.ts';
import { SerialQueue } from '../base/serial-queue.ts';

/** Far longer than a live server takes. */
const LOOK_MS = 5_000;
/** Threads that may be lost to file systems that do not answer; the rest are for everything else. */
const MAX_HANGING = 2;

type Stat = (path: string) => Promise<Stats>;

export class Looks {
  readonly #stat: Stat;
  readonly #lookMs: number;
  readonly #queue = new SerialQueue();
  readonly #hanging = new Set<string>();

  constructor(options: { readonly stat?: Stat; readonly lookMs?: number } = {}) {
    this.#stat = options.stat ?? stat;
    this.#lookMs = options.lookMs ?? LOOK_MS;
  }

  /**
   * What is at a path, following links; one call at a time.
   * @returns undefined when stat(2) fails.
   * @throws ShimError `unavailable` when the file system does not answer, or when too many already do not.
   */
  at(path: string): Promise<Stats | undefined> {
    return this.#queue.run(() => this.#look(path));
  }

  async #look(path: string): Promise<Stats | undefined> {
    if (this.#hanging.has(path) || this.#hanging.size >= MAX_HANGING) {
      throw new ShimError(
        'unavailable',
        `${path} is not looked at: ${[...this.#hanging].join(' and ')} did not answer`,
      );
    }
    const found = this.#stat(path).catch(() => undefined);
    const late = Symbol();
    const { promise, resolve } = Promise.withResolvers<typeof late>();
    const timer = setTimeout(() => resolve(late), this.#lookMs);
    const first = await Promise.race([found, promise]);
    clearTimeout(timer);
    if (first !== late) return first;
    this.#hanging.add(path);
    void found.then(() => this.#hanging.delete(path));
    const problem = `the file system of ${path} did not answer within ${this.#lookMs} ms`;
    throw new ShimError('unavailable', `${problem}: is its server (NFS, FUSE) gone?`);
  }
}

/** One for the whole process, because it counts the process's threads. */
export const looks = new Looks();
