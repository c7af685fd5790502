// Owns the protobuf form of the envelope: ttrpc.Request, ttrpc.Response and google.rpc.Status.
//
// Written by hand because it is five small messages on the hot path of every call, and because the library must not
// depend on a protobuf runtime. Fields are written in the order of their numbers, as Go does, so that the bytes are the
// same.

import { emptyBuffer } from './frame.ts';
import type { Metadata, ReceivedMetadata } from './service.ts';
import { type StatusDetail, TtrpcError } from './status.ts';

export const requestPayloadTag = 0x1a;
export const responsePayloadTag = 0x12;

/** Thrown by this file's readers on malformed bytes; callers turn it into a status. */
export class WireError extends Error {}

/** Length in bytes of the varint of a number below 2^32. */
export function varintBytes(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x200000) return 3;
  return value < 0x10000000 ? 4 : 5;
}

/** Writes the varint of a number below 2^53; returns the position after it. */
export function writeVarint(buffer: Buffer, pos: number, value: number): number {
  while (value >= 0x80) {
    buffer[pos++] = (value % 0x80) | 0x80;
    value = Math.floor(value / 0x80);
  }
  buffer[pos++] = value;
  return pos;
}

/** Reads varints and length-prefixed fields of one message. Reused; holds no state between messages. */
class Cursor {
  buffer: Buffer = emptyBuffer;
  pos = 0;
  end = 0;

  reset(buffer: Buffer, start: number, end: number): this {
    this.buffer = buffer;
    this.pos = start;
    this.end = end;
    return this;
  }

  /** An unsigned varint; above 2^53 the low bits are lost, which no caller here needs. */
  varint(): number {
    const { buffer, end } = this;
    let pos = this.pos;
    let value = 0;
    let scale = 1;
    for (let i = 0; i < 10 && pos < end; i++) {
      const byte = buffer[pos++] as number;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.pos = pos;
        return value;
      }
      scale *= 0x80;
    }
    throw new WireError('malformed varint');
  }

  /** The end of the length-prefixed field at `pos`; moves `pos` to its first byte. */
  lengthEnd(): number {
    const length = this.varint();
    if (length > this.end - this.pos) throw new WireError('field longer than its message');
    return this.pos + length;
  }

  skip(wireType: number): void {
    if (wireType === 0) this.varint();
    else if (wireType === 1) this.#advance(8);
    else if (wireType === 2) this.pos = this.lengthEnd();
    else if (wireType === 5) this.#advance(4);
    else throw new WireError(`unsupported wire type ${wireType}`);
  }

  text(maxBytes: number = Number.POSITIVE_INFINITY): string {
    const end = this.lengthEnd();
    const text = this.buffer.toString('utf8', this.pos, Math.min(end, this.pos + maxBytes));
    this.pos = end;
    return text;
  }

  bytes(): Buffer {
    const end = this.lengthEnd();
    const bytes = this.buffer.subarray(this.pos, end);
    this.pos = end;
    return bytes;
  }

  /** The next tag, or 0 at the end. */
  tag(): number {
    if (this.pos >= this.end) return 0;
    const tag = this.varint();
    if (tag < 8 || tag > 0xffffffff) throw new WireError('invalid field number');
    return tag;
  }

  #advance(count: number): void {
    if (count > this.end - this.pos) throw new WireError('field longer than its message');
    this.pos += count;
  }
}

const cursor = new Cursor();
const inner = new Cursor();

/** A decoded ttrpc.Request. One is reused per connection; `decodeMetadata` reads the metadata when it is needed. */
export interface RequestEnvelope {
  /** Empty, like `method`, if reading began after them. */
  service: string;
  method: string;
  payload: Buffer;
  /** Nanoseconds; 0: no timeout, negative: already passed. */
  timeoutNano: number;
  hasMetadata: boolean;
}

export function newRequestEnvelope(): RequestEnvelope {
  return { service: '', method: '', payload: emptyBuffer, timeoutNano: 0, hasMetadata: false };
}

/** Reads a ttrpc.Request into `into`. Throws WireError. */
export function decodeRequest(into: RequestEnvelope, buffer: Buffer, start: number, end: number): void {
  const c = cursor.reset(buffer, start, end);
  into.service = '';
  into.method = '';
  into.payload = emptyBuffer;
  into.timeoutNano = 0;
  into.hasMetadata = false;
  for (let tag = c.tag(); tag !== 0; tag = c.tag()) {
    if (tag === 0x0a) into.service = c.text();
    else if (tag === 0x12) into.method = c.text();
    else if (tag === 0x1a) into.payload = c.bytes();
    else if (tag === 0x20) into.timeoutNano = signed(c.varint());
    else {
      if (tag === 0x2a) into.hasMetadata = true;
      c.skip(tag & 7);
    }
  }
}

/** A negative int64 arrives as a varint of 2^63 or more; any negative timeout means that it has passed. */
function signed(value: number): number {
  return value >= 2 ** 63 ? -1 : value;
}

/** Reads the metadata of an encoded ttrpc.Request. Throws WireError. */
export function decodeMetadata(buffer: Buffer, start: number, end: number): ReceivedMetadata {
  const metadata = new Map<string, string[]>();
  const c = cursor.reset(buffer, start, end);
  for (let tag = c.tag(); tag !== 0; tag = c.tag()) {
    if (tag !== 0x2a) {
      c.skip(tag & 7);
      continue;
    }
    const pairEnd = c.lengthEnd();
    const [key, value] = decodePair(buffer, c.pos, pairEnd);
    c.pos = pairEnd;
    const values = metadata.get(key);
    if (values === undefined) metadata.set(key, [value]);
    else values.push(value);
  }
  return metadata;
}

function decodePair(buffer: Buffer, start: number, end: number): [string, string] {
  const c = inner.reset(buffer, start, end);
  let key = '';
  let value = '';
  for (let tag = c.tag(); tag !== 0; tag = c.tag()) {
    if (tag === 0x0a) key = c.text();
    else if (tag === 0x12) value = c.text();
    else c.skip(tag & 7);
  }
  return [key, value];
}

/** Reads a ttrpc.Response: its payload, or its status as an error. Throws WireError. */
export function decodeResponse(buffer: Buffer, start: number, end: number): Buffer | TtrpcError {
  const c = cursor.reset(buffer, start, end);
  let payload = emptyBuffer;
  let error: TtrpcError | undefined;
  for (let tag = c.tag(); tag !== 0; tag = c.tag()) {
    if (tag === 0x12) payload = c.bytes();
    else if (tag === 0x0a) {
      const statusEnd = c.lengthEnd();
      error = decodeStatus(buffer, c.pos, statusEnd);
      c.pos = statusEnd;
    } else c.skip(tag & 7);
  }
  return error ?? payload;
}

/** Text and details of a status are meant to be small; whatever exceeds these limits is dropped. */
const maxTextBytes = 64 * 1024;
const maxDetails = 64;

function decodeStatus(buffer: Buffer, start: number, end: number): TtrpcError | undefined {
  const c = inner.reset(buffer, start, end);
  let code = 0;
  let message = '';
  const details: StatusDetail[] = [];
  for (let tag = c.tag(); tag !== 0; tag = c.tag()) {
    if (tag === 0x08) code = c.varint() | 0;
    else if (tag === 0x12) message = c.text(maxTextBytes);
    else if (tag === 0x1a) {
      const detailEnd = c.lengthEnd();
      if (details.length < maxDetails) details.push(decodeDetail(buffer, c.pos, detailEnd));
      c.pos = detailEnd;
    } else c.skip(tag & 7);
  }
  return code === 0 ? undefined : new TtrpcError(code, message, { details });
}

function decodeDetail(buffer: Buffer, start: number, end: number): StatusDetail {
  const c = new Cursor().reset(buffer, start, end);
  let typeUrl = '';
  let value: Uint8Array = emptyBuffer;
  for (let tag = c.tag(); tag !== 0; tag = c.tag()) {
    if (tag === 0x0a) typeUrl = c.text(maxTextBytes);
    else if (tag === 0x12) value = c.bytes();
    else c.skip(tag & 7);
  }
  return { typeUrl, value };
}

/** A length-prefixed field. */
function field(tag: number, value: Uint8Array): Buffer {
  const head = Buffer.allocUnsafe(1 + varintBytes(value.length));
  head[0] = tag;
  writeVarint(head, 1, value.length);
  return Buffer.concat([head, value]);
}

/** Service and method of a ttrpc.Request: the bytes that every request for a method begins with. */
export function encodeRoute(service: string, method: string): Buffer {
  return Buffer.concat([field(0x0a, Buffer.from(service)), field(0x12, Buffer.from(method))]);
}

/** What follows the payload of a ttrpc.Request: timeout and metadata. */
export function encodeRequestTail(timeoutMs: number | undefined, metadata: Metadata | undefined): Buffer {
  const parts: Buffer[] = [];
  if (timeoutMs !== undefined) {
    const buffer = Buffer.allocUnsafe(11);
    buffer[0] = 0x20;
    // An int64 holds 292 years of nanoseconds; longer timeouts are capped.
    const end = writeVarint(buffer, 1, Math.min(Math.max(1, Math.round(timeoutMs * 1e6)), 2 ** 62));
    parts.push(buffer.subarray(0, end));
  }
  for (const [key, values] of Object.entries(metadata ?? {})) {
    for (const value of typeof values === 'string' ? [values] : values) {
      const pair: Buffer[] = [field(0x0a, Buffer.from(key))];
      if (value !== '') pair.push(field(0x12, Buffer.from(value)));
      parts.push(field(0x2a, Buffer.concat(pair)));
    }
  }
  return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
}

/** A ttrpc.Response that carries a failure. */
export function encodeFailure(error: TtrpcError): Buffer {
  const code = Buffer.allocUnsafe(11);
  code[0] = 0x08;
  const codeEnd = writeVarint(code, 1, error.code >>> 0);
  const parts: Buffer[] = [code.subarray(0, codeEnd)];
  if (error.message !== '') parts.push(field(0x12, Buffer.from(error.message)));
  for (const detail of error.details) {
    const url = detail.typeUrl === '' ? emptyBuffer : field(0x0a, Buffer.from(detail.typeUrl));
    const value = detail.value.length === 0 ? emptyBuffer : field(0x12, detail.value);
    parts.push(field(0x1a, Buffer.concat([url, value])));
  }
  return field(0x0a, Buffer.concat(parts));
}
