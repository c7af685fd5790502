// Generated from proto/guest.proto by scripts/gen.ts; do not edit.
import type { ServiceSpec } from 'ttrpc-ts';
import { Empty } from './google.ts';
import { message, unary, type Message } from './wire.ts';

export interface AdjustClockRequest {
  /** Nanoseconds to add; 0 only reads. */
  addNs: bigint;
}
export const AdjustClockRequest: Message<AdjustClockRequest> = message<AdjustClockRequest>(
  (init) => ({
    addNs: init.addNs ?? 0n,
  }),
  (out, from) => {
    if (from.addNs) out.tag(8).u64(from.addNs);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.addNs = input.i64();
        return true;
      default:
        return false;
    }
  },
);

export interface AdjustClockResponse {
  /** Nanoseconds since 1970. */
  timeNs: bigint;
}
export const AdjustClockResponse: Message<AdjustClockResponse> = message<AdjustClockResponse>(
  (init) => ({
    timeNs: init.timeNs ?? 0n,
  }),
  (out, from) => {
    if (from.timeNs) out.tag(8).u64(from.timeNs);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.timeNs = input.i64();
        return true;
      default:
        return false;
    }
  },
);

export interface ReleaseOutputRequest {
  containerId: string;
  execId: string;
}
export const ReleaseOutputRequest: Message<ReleaseOutputRequest> = message<ReleaseOutputRequest>(
  (init) => ({
    containerId: init.containerId ?? '',
    execId: init.execId ?? '',
  }),
  (out, from) => {
    if (from.containerId) out.tag(10).string(from.containerId);
    if (from.execId) out.tag(18).string(from.execId);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.containerId = input.string();
        return true;
      case 18:
        into.execId = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface DialRequest {
  /** Chosen by the host, which never reuses one. */
  id: number;
  port: number;
  /** Which loopback address is tried first. */
  ipv6: boolean;
}
export const DialRequest: Message<DialRequest> = message<DialRequest>(
  (init) => ({
    id: init.id ?? 0,
    port: init.port ?? 0,
    ipv6: init.ipv6 ?? false,
  }),
  (out, from) => {
    if (from.id) out.tag(8).uint32(from.id);
    if (from.port) out.tag(16).uint32(from.port);
    if (from.ipv6) out.tag(24).bool(from.ipv6);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.id = input.uint32();
        return true;
      case 16:
        into.port = input.uint32();
        return true;
      case 24:
        into.ipv6 = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface ReadConnectionRequest {
  id: number;
  /** At most this many bytes are in the answer. */
  len: number;
}
export const ReadConnectionRequest: Message<ReadConnectionRequest> = message<ReadConnectionRequest>(
  (init) => ({
    id: init.id ?? 0,
    len: init.len ?? 0,
  }),
  (out, from) => {
    if (from.id) out.tag(8).uint32(from.id);
    if (from.len) out.tag(16).uint32(from.len);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.id = input.uint32();
        return true;
      case 16:
        into.len = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface ReadConnectionResponse {
  data: Uint8Array;
}
export const ReadConnectionResponse: Message<ReadConnectionResponse> = message<ReadConnectionResponse>(
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

export interface WriteConnectionRequest {
  id: number;
  data: Uint8Array;
  /** Nothing follows: the peer gets EOF. */
  end: boolean;
}
export const WriteConnectionRequest: Message<WriteConnectionRequest> = message<WriteConnectionRequest>(
  (init) => ({
    id: init.id ?? 0,
    data: init.data ?? new Uint8Array(0),
    end: init.end ?? false,
  }),
  (out, from) => {
    if (from.id) out.tag(8).uint32(from.id);
    if (from.data?.length) out.tag(18).bytes(from.data);
    if (from.end) out.tag(24).bool(from.end);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.id = input.uint32();
        return true;
      case 18:
        into.data = input.bytes();
        return true;
      case 24:
        into.end = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface CloseConnectionRequest {
  id: number;
}
export const CloseConnectionRequest: Message<CloseConnectionRequest> = message<CloseConnectionRequest>(
  (init) => ({
    id: init.id ?? 0,
  }),
  (out, from) => {
    if (from.id) out.tag(8).uint32(from.id);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.id = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface ServeNamesRequest {
  address: string;
}
export const ServeNamesRequest: Message<ServeNamesRequest> = message<ServeNamesRequest>(
  (init) => ({
    address: init.address ?? '',
  }),
  (out, from) => {
    if (from.address) out.tag(10).string(from.address);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.address = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface Query {
  id: number;
  /** As received, without TCP's length prefix. */
  message: Uint8Array;
  tcp: boolean;
}
export const Query: Message<Query> = message<Query>(
  (init) => ({
    id: init.id ?? 0,
    message: init.message ?? new Uint8Array(0),
    tcp: init.tcp ?? false,
  }),
  (out, from) => {
    if (from.id) out.tag(8).uint32(from.id);
    if (from.message?.length) out.tag(18).bytes(from.message);
    if (from.tcp) out.tag(24).bool(from.tcp);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.id = input.uint32();
        return true;
      case 18:
        into.message = input.bytes();
        return true;
      case 24:
        into.tcp = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export interface AnswerQueryRequest {
  id: number;
  /** Empty: there is no answer. */
  message: Uint8Array;
}
export const AnswerQueryRequest: Message<AnswerQueryRequest> = message<AnswerQueryRequest>(
  (init) => ({
    id: init.id ?? 0,
    message: init.message ?? new Uint8Array(0),
  }),
  (out, from) => {
    if (from.id) out.tag(8).uint32(from.id);
    if (from.message?.length) out.tag(18).bytes(from.message);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.id = input.uint32();
        return true;
      case 18:
        into.message = input.bytes();
        return true;
      default:
        return false;
    }
  },
);

export interface RefreshVolumeRequest {
  /** As in the storage. */
  mountPoint: string;
}
export const RefreshVolumeRequest: Message<RefreshVolumeRequest> = message<RefreshVolumeRequest>(
  (init) => ({
    mountPoint: init.mountPoint ?? '',
  }),
  (out, from) => {
    if (from.mountPoint) out.tag(10).string(from.mountPoint);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.mountPoint = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface ForgetFilesRequest {
  /** Also those whose content is cached. */
  withContent: boolean;
}
export const ForgetFilesRequest: Message<ForgetFilesRequest> = message<ForgetFilesRequest>(
  (init) => ({
    withContent: init.withContent ?? false,
  }),
  (out, from) => {
    if (from.withContent) out.tag(8).bool(from.withContent);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.withContent = input.bool();
        return true;
      default:
        return false;
    }
  },
);

export const GuestService = {
  name: 'bulkhead.guest.v1.Guest',
  methods: {
    dial: unary('Dial', DialRequest, Empty),
    readConnection: unary('ReadConnection', ReadConnectionRequest, ReadConnectionResponse),
    writeConnection: unary('WriteConnection', WriteConnectionRequest, Empty),
    releaseOutput: unary('ReleaseOutput', ReleaseOutputRequest, Empty),
    closeConnection: unary('CloseConnection', CloseConnectionRequest, Empty),
    serveNames: unary('ServeNames', ServeNamesRequest, Empty),
    nextQuery: unary('NextQuery', Empty, Query),
    answerQuery: unary('AnswerQuery', AnswerQueryRequest, Empty),
    refreshVolume: unary('RefreshVolume', RefreshVolumeRequest, Empty),
    forgetFiles: unary('ForgetFiles', ForgetFilesRequest, Empty),
    adjustClock: unary('AdjustClock', AdjustClockRequest, AdjustClockResponse),
  },
} as const satisfies ServiceSpec;
