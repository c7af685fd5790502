// Owns the frame format and the reader that finds the frames in a chunk of bytes.
//
// A frame is a header of ten bytes, big-endian (u32 length of the data, u32 stream id, u8 type, u8 flags),
// followed by the data.

export const headerBytes = 10;

/** The largest frame data that a ttrpc peer accepts. */
export const maxMessageBytes: number = 4 << 20;

export const FrameType = { request: 1, response: 2, data: 3 } as const;

export const Flag = {
  /** No more data will come from the side that sends this. */
  remoteClosed: 0x01,
  /** More data will follow the request. */
  remoteOpen: 0x02,
  /** The frame carries no message (an empty frame without this flag is an empty message). */
  noData: 0x04,
} as const;

/** Receives what the reader finds. A frame's data is `buffer[start..end)`; it may be kept but not modified. */
export interface FrameSink {
  onFrame(streamId: number, type: number, flags: number, buffer: Buffer, start: number, end: number): void;
  /** A frame over the limit; its data is skipped. */
  onOversized(streamId: number, type: number, length: number): void;
}

/** Splits a stream of bytes into frames. Only a frame that spans chunks is copied, once. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #header: Buffer = Buffer.alloc(headerBytes);
  #headerFill = 0;
  #body: Buffer | undefined;
  #bodyFill = 0;
  #skip = 0;
  #streamId = 0;
  #type = 0;
  #flags = 0;
  #stopped = false;

  constructor(sink: FrameSink) {
    this.#sink = sink;
  }

  /** Stops reading, even in the middle of a chunk. */
  stop(): void {
    this.#stopped = true;
    this.#body = undefined;
  }

  /** Whether the bytes so far end inside a frame. */
  get isInsideFrame(): boolean {
    return this.#headerFill > 0 || this.#body !== undefined || this.#skip > 0;
  }

  push(chunk: Buffer): void {
    const end = chunk.length;
    let pos = this.isInsideFrame ? this.#resume(chunk) : 0;
    const sink = this.#sink;
    while (!this.#stopped && end - pos >= headerBytes) {
      const length = chunk.readUInt32BE(pos);
      if (length > maxMessageBytes || length > end - pos - headerBytes) {
        this.#readHeader(chunk, pos);
        pos = this.#begin(chunk, pos + headerBytes, length);
        continue;
      }
      const start = pos + headerBytes;
      const id = chunk.readUInt32BE(pos + 4);
      const type = chunk[pos + 8] as number;
      const flags = chunk[pos + 9] as number;
      pos = start + length;
      sink.onFrame(id, type, flags, chunk, start, pos);
    }
    if (pos < end && !this.#stopped) this.#headerFill = chunk.copy(this.#header, 0, pos, end);
  }

  #readHeader(from: Buffer, pos: number): void {
    this.#streamId = from.readUInt32BE(pos + 4);
    this.#type = from[pos + 8] as number;
    this.#flags = from[pos + 9] as number;
  }

  /** Continues the frame that the last chunk left unfinished; returns the position after it. */
  #resume(chunk: Buffer): number {
    if (this.#headerFill > 0) {
      const taken = chunk.copy(this.#header, this.#headerFill, 0, headerBytes - this.#headerFill);
      this.#headerFill += taken;
      if (this.#headerFill < headerBytes) return taken;
      this.#headerFill = 0;
      this.#readHeader(this.#header, 0);
      return this.#begin(chunk, taken, this.#header.readUInt32BE(0));
    }
    if (this.#skip > 0) return this.#skipIn(chunk, 0);
    return this.#fillIn(chunk, 0);
  }

  /** Starts the frame whose header was just read and whose data begins at `pos`. */
  #begin(chunk: Buffer, pos: number, length: number): number {
    if (length > maxMessageBytes) {
      this.#skip = length;
      this.#sink.onOversized(this.#streamId, this.#type, length);
      return this.#skipIn(chunk, pos);
    }
    // Neither zeroed nor from the pool: the kernel provides pages only for what really arrives, so a header that
    // announces 4 MiB costs its sender more than it costs us.
    this.#body = length === 0 ? emptyBuffer : Buffer.allocUnsafeSlow(length);
    this.#bodyFill = 0;
    return this.#fillIn(chunk, pos);
  }

  #skipIn(chunk: Buffer, pos: number): number {
    const taken = Math.min(this.#skip, chunk.length - pos);
    this.#skip -= taken;
    return pos + taken;
  }

  #fillIn(chunk: Buffer, pos: number): number {
    const body = this.#body as Buffer;
    const taken = chunk.copy(body, this.#bodyFill, pos, pos + body.length - this.#bodyFill);
    this.#bodyFill += taken;
    if (this.#bodyFill === body.length) {
      this.#body = undefined;
      this.#sink.onFrame(this.#streamId, this.#type, this.#flags, body, 0, body.length);
    }
    return pos + taken;
  }
}

export const emptyBuffer: Buffer = Buffer.alloc(0);
