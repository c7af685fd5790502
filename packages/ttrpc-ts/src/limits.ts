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
}

/** The limits of the receiving side, complete. */
export type ReceiveLimits = Required<Omit<ConnectionLimits, 'writeBytes'>>;

/** The limits of the receiving side with their defaults. @internal */
export function receiveLimits(limits: ConnectionLimits): ReceiveLimits {
  return {
    streamMessages: limits.streamMessages ?? 64,
    streamBytes: limits.streamBytes ?? 1 << 20,
    connectionBytes: limits.connectionBytes ?? 16 << 20,
    stallMs: limits.stallMs ?? 1000,
  };
}

/** How much may wait to be written. @internal */
export function writeLimitBytes(limits: ConnectionLimits): number {
  return limits.writeBytes ?? 1 << 20;
}
