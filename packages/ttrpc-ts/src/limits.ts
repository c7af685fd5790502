// Owns the limits of a connection and their defaults.

/** Limits of a connection; every field has a default. */
export interface ConnectionLimits {
  /** Unread messages that one stream may hold (64); beyond that, reading pauses until its reader catches up. */
  readonly streamMessages?: number;
  /** The same in bytes (1 MiB). This counts the memory kept alive: the chunks that the messages arrived in. */
  readonly streamBytes?: number;
  /** Unread bytes that all streams of a connection may hold (16 MiB). */
  readonly connectionBytes?: number;
  /**
   * Milliseconds (1000) after which a full stream that nobody reads fails with `ResourceExhausted`, because ttrpc has
   * no flow control of its own and the stream holds up every other call. `Infinity` disables this.
   */
  readonly stallMs?: number;
  /** Unsent bytes (1 MiB) beyond which streams stop sending, and a server stops reading, until the peer catches up. */
  readonly writeBytes?: number;
  /**
   * Unsent bytes (64 MiB) that may be queued for a peer that does not read. Whatever would exceed that fails with
   * `ResourceExhausted`; a server that cannot queue even the refusals closes the connection.
   */
  readonly queueBytes?: number;
  /**
   * Frames (10 000) that may arrive within ten seconds without any call expecting them: on unknown streams, of unknown
   * types, empty ones; a large one counts once more for each 16 KiB. Beyond that the connection is closed. Answers to
   * calls that ended on this side first do not count. `Infinity` disables this.
   */
  readonly strayFrames?: number;
}

/** The receive limits that the gate enforces, with defaults filled in. */
export type ReceiveLimits = Required<
  Pick<ConnectionLimits, 'streamMessages' | 'streamBytes' | 'connectionBytes' | 'stallMs'>
>;

/** The receive limits, with defaults filled in. @internal */
export function receiveLimits(limits: ConnectionLimits): ReceiveLimits {
  return {
    streamMessages: limits.streamMessages ?? 64,
    streamBytes: limits.streamBytes ?? 1 << 20,
    connectionBytes: limits.connectionBytes ?? 16 << 20,
    stallMs: limits.stallMs ?? 1000,
  };
}

/** How much may be queued for writing: before senders wait, and in total. @internal */
export function writeLimits(limits: ConnectionLimits): { highWaterBytes: number; queueBytes: number } {
  return { highWaterBytes: limits.writeBytes ?? 1 << 20, queueBytes: limits.queueBytes ?? 64 << 20 };
}

/** How many frames may arrive that no call expects. @internal */
export function strayLimit(limits: ConnectionLimits): number {
  return limits.strayFrames ?? 10_000;
}
