/** Dates as google.protobuf.Timestamp. */
import type { Timestamp } from '../gen/google.ts';

export function timestamp(date: Date): Timestamp {
  const ms = date.getTime();
  return { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 };
}
