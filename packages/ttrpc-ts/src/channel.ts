// Owns one Duplex: reads and writes its frames, and notices when it closes. Shared by client and server.

import type { Duplex } from 'node:stream';
import { emptyBuffer, FrameReader, type FrameSink, FrameType } from './frame.ts';
import { FrameWriter } from './frame-writer.ts';
import { type ConnectionLimits, receiveLimits, strayLimit, writeLimits } from './limits.ts';
import { ReceiveGate } from './receive-gate.ts';
import { Code, TtrpcError } from './status.ts';
import { StrayBudget, strayWindowMs } from './stray-budget.ts';
import { encodeFailure, responsePayloadTag } from './wire.ts';

/** How long a connection that we ended waits for its peer to end it too, in ms. */
const lingerMs = 200;

/** What a channel reports to its owner. */
export interface ChannelOwner extends FrameSink {
  /** The connection has closed. Called once. */
  onClosed(error: TtrpcError): void;
}

/** A Duplex that carries frames. */
export class Channel {
  readonly duplex: Duplex;
  readonly gate: ReceiveGate;
  readonly writer: FrameWriter;
  readonly strays: StrayBudget;
  readonly #reader: FrameReader;
  readonly #owner: ChannelOwner;
  #lastError: Error | undefined;
  #closed = false;
  #ending = false;
  #endTimer: NodeJS.Timeout | undefined;

  constructor(duplex: Duplex, owner: ChannelOwner, limits: ConnectionLimits = {}) {
    this.duplex = duplex;
    this.#owner = owner;
    this.gate = new ReceiveGate(duplex, receiveLimits(limits));
    this.writer = new FrameWriter(duplex, writeLimits(limits));
    this.strays = new StrayBudget(strayLimit(limits));
    this.#reader = new FrameReader(owner);
    duplex.on('data', (chunk: Uint8Array) => this.#onData(chunk));
    duplex.on('end', () => this.#onEnd());
    duplex.on('error', (error: Error) => {
      this.#lastError = error;
      this.close(lost(error));
    });
    duplex.on('close', () => this.close(lost(this.#lastError)));
    if (duplex.destroyed || duplex.readableEnded) {
      process.nextTick(() => this.close(lost(duplex.errored ?? undefined)));
    }
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  writeData(streamId: number, flags: number, payload: Uint8Array): void {
    this.writer.write(streamId, FrameType.data, flags, emptyBuffer, 0, payload, emptyBuffer);
  }

  writeReply(streamId: number, payload: Uint8Array): void {
    this.writer.write(streamId, FrameType.response, 0, emptyBuffer, responsePayloadTag, payload, emptyBuffer);
  }

  /**
   * Never throws: a status over the limit is replaced by one without its text, and if the peer reads so little that
   * even that cannot be queued, the connection is closed.
   */
  writeFailure(streamId: number, error: TtrpcError): void {
    const short = new TtrpcError(error.code, 'the status of this failure exceeds the limit of a message');
    if (!this.#tryFailure(streamId, error) && !this.#tryFailure(streamId, short)) {
      this.close(
        new TtrpcError(Code.Unavailable, 'ttrpc connection closed: the peer does not read its answers'),
      );
    }
  }

  #tryFailure(streamId: number, error: TtrpcError): boolean {
    try {
      this.writer.write(streamId, FrameType.response, 0, encodeFailure(error), 0, emptyBuffer, emptyBuffer);
      return true;
    } catch {
      return false;
    }
  }

  /** Closes the connection to a peer that sends too many frames that no call expects. */
  closeForStrays(): void {
    const what = `the peer sent too much within ${strayWindowMs / 1000} s that no call waits for`;
    this.close(new TtrpcError(Code.ResourceExhausted, `ttrpc connection closed: ${what}`));
  }

  /**
   * Closes once everything is written and the peer has had `graceMs` since then to close by itself: when an answer
   * and the end arrive together, Go's client may notice the end first.
   */
  endGently(graceMs: number): void {
    if (this.#closed || this.#ending) return;
    this.#ending = true;
    this.writer.flush();
    const waitMs = this.writer.flushedAt + graceMs - performance.now();
    if (waitMs > 0) this.#endTimer = setTimeout(() => this.#end(), waitMs);
    else this.#end();
  }

  #end(): void {
    this.writer.flush();
    this.writer.close();
    this.duplex.end(() => {
      if (this.#closed) return;
      // The peer ends its side too; one that does not is not waited for.
      this.#endTimer = setTimeout(() => this.close(lost(undefined)), lingerMs);
    });
  }

  /** Closes at once, and passes `error` to the owner. */
  close(error: TtrpcError): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#endTimer);
    this.#reader.stop();
    this.gate.close();
    this.writer.close();
    this.duplex.destroy();
    this.#owner.onClosed(error);
  }

  #onData(chunk: Uint8Array): void {
    if (this.#closed) return;
    const buffer = Buffer.isBuffer(chunk)
      ? chunk
      : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#reader.push(buffer);
  }

  #onEnd(): void {
    const detail = this.#reader.isInsideFrame ? 'peer closed it inside a frame' : 'peer closed it';
    this.close(new TtrpcError(Code.Unavailable, `ttrpc connection closed: ${detail}`));
  }
}

function lost(cause: Error | undefined): TtrpcError {
  if (cause === undefined) return new TtrpcError(Code.Unavailable, 'ttrpc connection closed');
  return new TtrpcError(Code.Unavailable, `ttrpc connection lost: ${cause.message}`, { cause });
}
