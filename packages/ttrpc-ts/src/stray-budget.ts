// Owns the tolerance for frames that no call waits for: answers that cross with the end of their caller are legal,
// a flood is not.

import { Flag, FrameType } from './frame.ts';

/** The budget is full again after so long without strays. */
export const strayWindowMs = 10_000;
/** A stray frame counts once more for each such portion of its data. */
const portionBytes = 16 * 1024;
/** Calls of which a late answer is expected; of more the oldest are no longer. */
const maxLate = 4096;

/**
 * What may still come for a call that is over: one answer; a stream of them up to its end; or refusals, one for each
 * message that was sent after the peer had ended the call.
 */
export type Late = 'answer' | 'stream' | 'refusals';

/** One per connection. What a peer may send without being asked is a number of frames per time. */
export class StrayBudget {
  readonly #limit: number;
  #left: number;
  #at = 0;
  readonly #late = new Map<number, Late>();

  constructor(limit: number) {
    this.#limit = limit;
    this.#left = limit;
  }

  /** A call is over, but the peer may not know that yet. */
  expectLate(streamId: number, late: Late): void {
    if (this.#late.size >= maxLate) {
      for (const oldest of this.#late.keys()) {
        this.#late.delete(oldest);
        break;
      }
    }
    this.#late.set(streamId, late);
  }

  /** Takes a frame for which there is no call; false when it is one too many. */
  admit(streamId: number, type: number, flags: number, bytes: number): boolean {
    const late = this.#late.get(streamId);
    if (late === undefined) return this.charge(bytes);
    const isEnd = type === FrameType.response || (flags & Flag.remoteClosed) !== 0;
    if (late === 'answer' || (late === 'stream' && isEnd)) this.#late.delete(streamId);
    return true;
  }

  /** Takes a frame that nobody can have waited for; false when it is one too many. */
  charge(bytes: number): boolean {
    if (this.#limit === Number.POSITIVE_INFINITY) return true;
    const now = performance.now();
    const regained = (Math.max(0, now - this.#at) / strayWindowMs) * this.#limit;
    this.#at = now;
    this.#left = Math.min(this.#limit, this.#left + regained) - 1 - Math.floor(bytes / portionBytes);
    return this.#left >= 0;
  }
}
