// Written by hand: the runtime under the generated codecs. Reads and writes the protobuf wire format on
// protobufjs/minimal, with 64-bit integers as bigint and bounds for input that a stranger wrote.
import protobuf from 'protobufjs/minimal.js';
import type { Codec, MethodKind, MethodSpec } from 'ttrpc-ts';

const { BufferReader, BufferWriter } = protobuf;

/** Most repeated and map entries in one message tree: 4 MiB of empty entries must not become 2 million objects. */
const maxEntries = 65_536;

type Scalar = string | number | bigint | boolean | Uint8Array | ReadonlyMap<never, never> | undefined;

/** `T` with every field optional, at every depth: what encode and create accept. */
export type Init<T> = T extends Scalar | Map<infer _K, infer _V>
  ? T
  : T extends readonly (infer U)[]
    ? readonly Init<U>[]
    : { readonly [K in keyof T]?: Init<T[K]> | undefined };

/** Codec of one message. A field that is not given has its proto3 default. */
export interface Message<T> extends Codec<T, Init<T>> {
  encode(message: Init<T>): Uint8Array;
  /** Throws on truncated or malformed input. Byte fields share memory with `bytes`. */
  decode(bytes: Uint8Array): T;
  create(init?: Init<T>): T;
  /** For the generated code: appends the fields. */
  readonly write: (out: WireWriter, message: Init<T>) => void;
  /** For the generated code: takes the field with this tag, or tells that it is unknown. */
  readonly read: (input: WireReader, message: T, tag: number) => boolean;
}

/** Appends fields to one growing buffer. */
export class WireWriter extends BufferWriter {
  tag(value: number): this {
    this.uint32(value);
    return this;
  }

  u64(value: bigint): this {
    const low = Number(BigInt.asUintN(32, value));
    const high = Number(BigInt.asUintN(32, value >> 32n));
    this.uint64({ low, high, unsigned: true });
    return this;
  }

  f64(value: bigint): this {
    this.fixed32(Number(BigInt.asUintN(32, value)));
    this.fixed32(Number(BigInt.asUintN(32, value >> 32n)));
    return this;
  }

  message<T>(tag: number, codec: Message<T>, value: Init<NoInfer<T>>): this {
    this.uint32(tag).fork();
    codec.write(this, value);
    this.ldelim();
    return this;
  }
}

/** Takes fields from one buffer and counts the entries of lists and maps. */
export class WireReader extends BufferReader {
  private entries = 0;

  /** Throws when the message holds more list and map entries than any honest one. */
  count(): void {
    this.entries += 1;
    if (this.entries > maxEntries) throw new RangeError(`protobuf message has more than ${maxEntries} entries`);
  }

  u64(): bigint {
    // Two halves of at most 35 bits each, so that small values cost one BigInt.
    let low = 0;
    let high = 0;
    for (let i = 0; i < 10; i += 1) {
      const byte = this.buf[this.pos];
      if (byte === undefined || this.pos >= this.len) throw new RangeError('protobuf message ends inside a varint');
      this.pos += 1;
      if (i < 5) low += (byte & 127) * 2 ** (7 * i);
      else high += (byte & 127) * 2 ** (7 * (i - 5));
      if (byte < 128) return high === 0 ? BigInt(low) : BigInt.asUintN(64, BigInt(low) + (BigInt(high) << 35n));
    }
    throw new RangeError('protobuf varint is longer than 10 bytes');
  }

  i64(): bigint {
    return BigInt.asIntN(64, this.u64());
  }

  f64(): bigint {
    const low = this.fixed32();
    return (BigInt(this.fixed32()) << 32n) | BigInt(low);
  }

  sf64(): bigint {
    return BigInt.asIntN(64, this.f64());
  }

  /** Reads an embedded message, into `previous` when the field came before (proto3 merges). */
  message<T>(codec: Message<T>, previous?: T): T {
    const message = previous ?? codec.create();
    const end = this.size() + this.pos;
    if (end > this.len) throw new RangeError('protobuf message ends inside an embedded message');
    readFields(this, end, (tag) => codec.read(this, message, tag));
    return message;
  }

  /** Appends to `list` the values of one packed field. */
  packed<V>(list: V[], read: () => V): void {
    const end = this.size() + this.pos;
    if (end > this.len) throw new RangeError('protobuf message ends inside a packed field');
    while (this.pos < end) {
      this.count();
      list.push(read());
    }
    if (this.pos !== end) throw new RangeError('protobuf packed field has a value across its end');
  }

  /** Reads one entry of a map: `key` and `value` take what the tag says or return false. */
  entry(read: (tag: number) => boolean): void {
    this.count();
    const end = this.size() + this.pos;
    if (end > this.len) throw new RangeError('protobuf message ends inside a map entry');
    readFields(this, end, read);
  }
}

function readFields(input: WireReader, end: number, read: (tag: number) => boolean): void {
  while (input.pos < end) {
    const tag = input.tag();
    if (!read(tag)) input.skipType(tag & 7, 0, tag >>> 3);
  }
  if (input.pos !== end) throw new RangeError('protobuf field reaches over the end of its message');
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Makes the codec of a message from its three generated parts. */
export function message<T>(
  create: (init: Init<T>) => T,
  write: (out: WireWriter, message: Init<T>) => void,
  read: (input: WireReader, message: T, tag: number) => boolean,
): Message<T> {
  return {
    create: (init) => create(init ?? ({} as Init<T>)),
    write,
    read,
    encode(value) {
      const out = new WireWriter();
      write(out, value);
      return out.finish();
    },
    decode(bytes) {
      const input = new WireReader(asBuffer(bytes));
      const value = create({} as Init<T>);
      readFields(input, input.len, (tag) => read(input, value, tag));
      return value;
    },
  };
}

type Method<K extends MethodKind, Req, Res> = MethodSpec<K, Req, Res, Init<Req>, Init<Res>>;

/** Describes a method with one request and one response. */
export function unary<Req, Res>(name: string, request: Message<Req>, response: Message<Res>): Method<'unary', Req, Res> {
  return { name, kind: 'unary', request, response };
}

/** Describes a method with many requests and many responses. */
export function bidi<Req, Res>(name: string, request: Message<Req>, response: Message<Res>): Method<'bidi', Req, Res> {
  return { name, kind: 'bidi', request, response };
}
