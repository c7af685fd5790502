// Owns the limits of a connection and their defaults.

/** Limits of a connection; every field has a default. */
export interface ConnectionLimits {
  /** Received messages that one stream may hold unread (64). More, and the connection is not read until the reader catches up. */
  readonly streamMessages?: number;
  /** The same in bytes (1 MiB). What counts is the memory kept alive: the chunks that the messages came in. */
  readonly streamBytes?: number;
  /** Bytes that all streams of a connection may hold unread (16 MiB). */
  readonly connectionBytes?: number;
  /**
   * Milliseconds (1000) after which a full stream that is not read at all fails with `ResourceExhausted`,
   * since ttrpc has no flow control of its own and it holds up every other call. `Infinity` turns this off.
   */
  readonly stallMs?: number;
  /** Bytes (1 MiB) that may wait to be written before streams, and a server's reading, wait for the peer. */
  readonly writeBytes?: number;
  /**
   * Bytes (64 MiB) that may wait to be written at all, for a peer that reads nothing. What would go beyond fails
   * with `ResourceExhausted`; a server whose refusals do not fit either closes the connection.
   */
  readonly queueBytes?: number;
  /**
   * Frames (10 000) that may come within ten seconds although nothing here waits for them: on unknown streams, of
   * unknown types, empty ones; a large one counts once for each 16 KiB. More, and the connection is closed. Answers to
   * calls that ended on this side first do not count. `Infinity` turns this off.
   */
  readonly strayFrames?: number;
}

/** The limits of the receiving side that the gate keeps, complete. */
export type ReceiveLimits = Required<
  Pick<ConnectionLimits, 'streamMessages' | 'streamBytes' | 'connectionBytes' | 'stallMs'>
>;

/** The limits of the receiving side with their defaults. @internal */
export function receiveLimits(limits: ConnectionLimits): ReceiveLimits {
  return {
    streamMessages: limits.streamMessages ?? 64,
    streamBytes: limits.streamBytes ?? 1 << 20,
    connectionBytes: limits.connectionBytes ?? 16 << 20,
    stallMs: limits.stallMs ?? 1000,
  };
}

/** How much may wait to be written: before others wait for it, and at all. @internal */
export function writeLimits(limits: ConnectionLimits): { highWaterBytes: number; queueBytes: number } {
  return { highWaterBytes: limits.writeBytes ?? 1 << 20, queueBytes: limits.queueBytes ?? 64 << 20 };
}

/** How many frames may come that nothing waits for. @internal */
export function strayLimit(limits: ConnectionLimits): number {
  return limits.strayFrames ?? 10_000;
}
