// Owns the tolerance for frames that no call expects: answers that cross with their caller's end are legal, a flood is
// not.

import { Flag, FrameType } from './frame.ts';

/** The budget is full again after this long without strays. */
export const strayWindowMs = 10_000;
/** A stray frame counts once more per portion of its data. */
const portionBytes = 16 * 1024;
/** How many calls a late answer is expected for; beyond that the oldest are forgotten. */
const maxLate = 4096;

/**
 * What may still arrive for a call that is over: one answer; a stream of them up to its end; or refusals, one per
 * message that was sent after the peer had ended the call.
 */
export type Late = 'answer' | 'stream' | 'refusals';

/** One per connection. Limits the rate of frames that a peer sends without being asked. */
export class StrayBudget {
  readonly #limit: number;
  #left: number;
  #at = 0;
  readonly #late = new Map<number, Late>();

  constructor(limit: number) {
    this.#limit = limit;
    this.#left = limit;
  }

  /** A call is over, which the peer may not know. */
  expectLate(streamId: number, late: Late): void {
    if (this.#late.size >= maxLate) {
      for (const oldest of this.#late.keys()) {
        this.#late.delete(oldest);
        break;
      }
    }
    this.#late.set(streamId, late);
  }

  /** Counts a frame for which there is no call; returns false when it is one too many. */
  admit(streamId: number, type: number, flags: number, bytes: number): boolean {
    const late = this.#late.get(streamId);
    if (late === undefined) return this.charge(bytes);
    const isEnd = type === FrameType.response || (flags & Flag.remoteClosed) !== 0;
    if (late === 'answer' || (late === 'stream' && isEnd)) this.#late.delete(streamId);
    return true;
  }

  /** Counts a frame that no call can have expected; returns false when it is one too many. */
  charge(bytes: number): boolean {
    if (this.#limit === Number.POSITIVE_INFINITY) return true;
    const now = performance.now();
    const regained = (Math.max(0, now - this.#at) / strayWindowMs) * this.#limit;
    this.#at = now;
    this.#left = Math.min(this.#limit, this.#left + regained) - 1 - Math.floor(bytes / portionBytes);
    return this.#left >= 0;
  }
}
