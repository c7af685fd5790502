// Written by hand: the runtime under the generated codecs. Writes and reads the protobuf wire format with 64-bit
// integers as bigint, and with bounds for input that a stranger wrote. It stands alone because the shim is started
// for every pod: protobufjs/minimal would add some 3 ms and 32 KB to it. protobufjs's reflection is what the tests
// hold it against.
import type { Codec, MethodKind, MethodSpec } from 'ttrpc-ts';
import { WireReader } from './wire-reader.ts';
import { WireWriter } from './wire-writer.ts';

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
      const input = new WireReader(bytes);
      const value = create({} as Init<T>);
      input.fields(input.len, (tag) => read(input, value, tag));
      return value;
    },
  };
}

type Method<K extends MethodKind, Req, Res> = MethodSpec<K, Req, Res, Init<Req>, Init<Res>>;

/** Describes a method with one request and one response. */
export function unary<Req, Res>(
  name: string,
  request: Message<Req>,
  response: Message<Res>,
): Method<'unary', Req, Res> {
  return { name, kind: 'unary', request, response };
}

/** Describes a method with many requests and many responses. */
export function bidi<Req, Res>(
  name: string,
  request: Message<Req>,
  response: Message<Res>,
): Method<'bidi', Req, Res> {
  return { name, kind: 'bidi', request, response };
}
