// Owns the sending of a stream of messages at the pace of the peer.

import type { Channel } from './channel.ts';
import type { Codec } from './service.ts';

/** A stream that is being sent. */
export interface Sending {
  /** True when the source ended, false when sending was stopped; rejects with what the source or encoder threw. */
  readonly done: Promise<boolean>;
  /** Sends no more and lets the source go. */
  stop(): void;
}

/** Sends every message of `source` as a Data frame, waiting while the peer reads too slowly. */
export function sendStream<T>(
  channel: Channel,
  streamId: number,
  codec: Codec<unknown, T>,
  source: AsyncIterable<T>,
): Sending {
  let stopped = false;
  let iterator: AsyncIterator<T> | undefined;

  async function run(): Promise<boolean> {
    const { writer } = channel;
    iterator = source[Symbol.asyncIterator]();
    while (!stopped) {
      const result = await iterator.next();
      if (stopped) return false;
      if (result.done) return true;
      try {
        channel.writeData(streamId, 0, codec.encode(result.value));
      } catch (error) {
        stop();
        throw error;
      }
      if (writer.isBlocked) await writer.drained();
    }
    return false;
  }

  function stop(): void {
    if (stopped) return;
    stopped = true;
    // Not waited for: a source that hangs must not hold up the end of the call.
    try {
      iterator?.return?.()?.then(undefined, () => undefined);
    } catch {
      // A source that fails while it is let go has nobody left to tell.
    }
  }

  return { done: run(), stop };
}
