// Written by hand: the reading half of the protobuf wire format (wire.ts), for input that a stranger wrote.
import type { Message } from './wire.ts';

/** Groups inside groups that are followed; proto3 has no groups, so this is for passing over nonsense. */
const maxGroupDepth = 32;

/** Most repeated and map entries in one message tree: 4 MiB of empty entries must not become 2 million objects. */
const maxEntries = 65_536;

/** Takes fields from one buffer and counts the entries of lists and maps. */
export class WireReader {
  pos = 0;
  readonly len: number;
  private readonly buf: Buffer;
  private entries = 0;

  constructor(bytes: Uint8Array) {
    this.buf = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.len = bytes.length;
  }

  /** Throws when the message holds more list and map entries than any honest one. */
  count(): void {
    this.entries += 1;
    if (this.entries > maxEntries)
      throw new RangeError(`protobuf message has more than ${maxEntries} entries`);
  }

  tag(): number {
    const tag = this.varint32(5);
    if (tag >>> 3 === 0) throw new RangeError('protobuf field has the number 0');
    return tag;
  }

  uint32(): number {
    return this.varint32(10);
  }

  int32(): number {
    return this.varint32(10) | 0;
  }

  bool(): boolean {
    return this.u64() !== 0n;
  }

  u64(): bigint {
    // Two halves of at most 35 bits each, so that small values cost one BigInt.
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i += 1) {
      const byte = this.byte();
      if (i < 5) low += (byte & 127) * 2 ** (7 * i);
      else high += (byte & 127) * 2 ** (7 * (i - 5));
      if (byte < 128)
        return high === 0 ? BigInt(low) : BigInt.asUintN(64, BigInt(low) + (BigInt(high) << 35n));
    }
    throw new RangeError('protobuf varint is longer than 10 bytes');
  }

  i64(): bigint {
    return BigInt.asIntN(64, this.u64());
  }

  double(): number {
    const start = this.take(8);
    return this.buf.readDoubleLE(start);
  }

  string(): string {
    const length = this.uint32();
    const start = this.take(length);
    return this.buf.toString('utf8', start, this.pos);
  }

  bytes(): Uint8Array {
    const length = this.uint32();
    const start = this.take(length);
    return this.buf.subarray(start, this.pos);
  }

  /** Reads an embedded message, into `previous` when the field came before (proto3 merges). */
  message<T>(codec: Message<T>, previous?: T): T {
    const message = previous ?? codec.create();
    this.fields(this.limit(), (tag) => codec.read(this, message, tag));
    return message;
  }

  /** Appends to `list` the values of one packed field. */
  packed<V>(list: V[], read: () => V): void {
    const end = this.limit();
    while (this.pos < end) {
      this.count();
      list.push(read());
    }
    if (this.pos !== end) throw new RangeError('protobuf packed field has a value across its end');
  }

  /** Reads one entry of a map: `read` takes the field with the tag, or tells that it is unknown. */
  entry(read: (tag: number) => boolean): void {
    this.count();
    this.fields(this.limit(), read);
  }

  /** Reads fields up to `end`; unknown ones are passed over. */
  fields(end: number, read: (tag: number) => boolean): void {
    while (this.pos < end) {
      const tag = this.tag();
      if (!read(tag)) this.skip(tag, 0);
    }
    if (this.pos !== end) throw new RangeError('protobuf field reaches over the end of its message');
  }

  private skip(tag: number, depth: number): void {
    switch (tag & 7) {
      case 0:
        this.u64();
        return;
      case 1:
        this.take(8);
        return;
      case 2:
        this.take(this.uint32());
        return;
      case 3:
        this.skipGroup(tag >>> 3, depth + 1);
        return;
      case 5:
        this.take(4);
        return;
      default:
        throw new RangeError(`protobuf field has wire type ${tag & 7}`);
    }
  }

  private skipGroup(field: number, depth: number): void {
    if (depth > maxGroupDepth)
      throw new RangeError(`protobuf groups are nested to a depth over ${maxGroupDepth}`);
    for (let tag = this.tag(); ; tag = this.tag()) {
      if ((tag & 7) !== 4) this.skip(tag, depth);
      else if (tag >>> 3 === field) return;
      else throw new RangeError('protobuf group ends with the number of another');
    }
  }

  /** The end of what a length stands before. */
  private limit(): number {
    const end = this.uint32() + this.pos;
    if (end > this.len) throw new RangeError('protobuf message ends inside an embedded message');
    return end;
  }

  /** Moves on by `length` bytes. @returns where they start. */
  private take(length: number): number {
    const start = this.pos;
    if (start + length > this.len)
      throw new RangeError(`protobuf message ends inside a field of ${length} bytes`);
    this.pos = start + length;
    return start;
  }

  private byte(): number {
    const byte = this.buf[this.pos];
    if (byte === undefined) throw new RangeError('protobuf message ends inside a varint');
    this.pos += 1;
    return byte;
  }

  /** The low 32 bits of a varint of at most `most` bytes. */
  private varint32(most: number): number {
    let value = 0;
    for (let i = 0; i < most; i += 1) {
      const byte = this.byte();
      if (i < 5) value |= (byte & 127) << (7 * i);
      if (byte < 128) return value >>> 0;
    }
    throw new RangeError(`protobuf varint is longer than ${most} bytes`);
  }
}
