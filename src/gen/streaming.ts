// Generated from proto/streaming.proto, proto/transfer.proto by scripts/gen.ts; do not edit.
import type { ServiceSpec } from 'ttrpc-ts';
import { Any } from './google.ts';
import { bidi, message, type Message } from './wire.ts';

/** At most 32 KiB each. */
export interface Data {
  data: Uint8Array;
}
export const Data: Message<Data> = message<Data>(
  (init) => ({
    data: init.data ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.data?.length) out.tag(10).bytes(from.data);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.data = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

/** Bytes that the reader allows the sender to send in addition. */
export interface WindowUpdate {
  update: number;
}
export const WindowUpdate: Message<WindowUpdate> = message<WindowUpdate>(
  (init) => ({
    update: init.update ?? 0,
  }),
  (out, from) => {
    if (from.update) out.tag(8).int32(from.update);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.update = input.int32();
        return true;
      default:
        return false;
    }
  },
);

export interface StreamInit {
  id: string;
}
export const StreamInit: Message<StreamInit> = message<StreamInit>(
  (init) => ({
    id: init.id ?? '',
  }),
  (out, from) => {
    if (from.id) out.tag(10).string(from.id);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.id = input.string();
        return true;
      default:
        return false;
    }
  },
);

export const StreamingService = {
  name: 'containerd.services.streaming.v1.Streaming',
  methods: {
    stream: bidi('Stream', Any, Any),
  },
} as const satisfies ServiceSpec;
