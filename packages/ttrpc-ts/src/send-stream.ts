// Owns sending a stream of messages at the peer's pace.

import type { Channel } from './channel.ts';
import type { Codec } from './service.ts';

/** A stream that is being sent. */
export interface Sending {
  /** True when the source ended, false when sending was stopped; rejects with what the source or the encoder threw. */
  readonly done: Promise<boolean>;
  /** Stops sending and calls the source's `return()`. */
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
    // Not awaited: a source that hangs must not hold up the end of the call.
    try {
      iterator?.return?.()?.then(undefined, () => undefined);
    } catch {
      // There is nobody to report this failure of the source to.
    }
  }

  return { done: run(), stop };
}
