/**
 * Looks at paths that may lie on file systems of others, of which one may never answer: a look that hangs occupies a thread of
 * libuv's pool of four, and a synchronous one would stop the whole process.
 */
import type { Stats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { ShimError } from '../base/errors.ts';
import { SerialQueue } from '../base/serial-queue.ts';

/** Far above what a server that is alive takes. */
const LOOK_MS = 5_000;
/** Threads that may be lost to file systems that do not answer; the others are for everything else. */
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
   * What lies at a path, after following links; one look at a time.
   * @returns undefined when there is nothing, or nothing that may be looked at.
   * @throws ShimError `unavailable` when its file system does not answer.
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

/** Of this process: its threads are what is counted. */
export const looks = new Looks();
