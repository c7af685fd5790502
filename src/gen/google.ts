// Generated from google.protobuf.Any, google.protobuf.Empty, google.protobuf.Timestamp by scripts/gen.ts; do not edit.
import { message, type Message } from './wire.ts';

export interface Any {
  typeUrl: string;
  value: Uint8Array;
}
export const Any: Message<Any> = message<Any>(
  (init) => ({
    typeUrl: init.typeUrl ?? '',
    value: init.value ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.typeUrl) out.tag(10).string(from.typeUrl);
    if (from.value?.length) out.tag(18).bytes(from.value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.typeUrl = input.string();
        return true;
      case 18:
        into.value = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface Timestamp {
  seconds: bigint;
  nanos: number;
}
export const Timestamp: Message<Timestamp> = message<Timestamp>(
  (init) => ({
    seconds: init.seconds ?? 0n,
    nanos: init.nanos ?? 0,
  }),
  (out, from) => {
    if (from.seconds) out.tag(8).u64(from.seconds);
    if (from.nanos) out.tag(16).int32(from.nanos);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.seconds = input.i64();
        return true;
      case 16:
        into.nanos = input.int32();
        return true;
      default:
        return false;
    }
  },
);

export type Empty = Record<never, never>;
export const Empty: Message<Empty> = message<Empty>(() => ({}), () => {}, () => false);
