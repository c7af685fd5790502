// The service of test/conformance/go in TypeScript: its description and handlers that do what Go's do.
// Messages are the well-known wrappers of protobuf, coded by hand: one field each, number 1.

import { Code, type Codec, type Handlers, type MethodKind, type MethodSpec, TtrpcError } from 'ttrpc-ts';

/** google.protobuf.Int64Value */
export const int64: Codec<bigint> = {
  encode(value) {
    if (value === 0n) return new Uint8Array(0);
    const bytes = [0x08];
    for (let rest = BigInt.asUintN(64, value); ; rest >>= 7n) {
      if (rest < 0x80n) {
        bytes.push(Number(rest));
        return Uint8Array.from(bytes);
      }
      bytes.push(Number(rest & 0x7fn) | 0x80);
    }
  },
  decode(bytes) {
    if (bytes.length > 0 && bytes[0] !== 0x08) throw new Error('not an Int64Value');
    let value = 0n;
    for (let i = 1; i < bytes.length; i++)
      value |= BigInt((bytes[i] as number) & 0x7f) << BigInt(7 * (i - 1));
    return BigInt.asIntN(64, value);
  },
};

/** google.protobuf.BytesValue; decoding does not copy. */
export const bytesValue: Codec<Uint8Array> = {
  encode(value) {
    const { length } = value;
    if (length === 0) return value;
    const head = length < 0x80 ? 2 : length < 0x4000 ? 3 : length < 0x200000 ? 4 : 5;
    const bytes = Buffer.allocUnsafe(head + length);
    bytes[0] = 0x0a;
    let at = 1;
    let rest = length;
    for (; rest >= 0x80; rest >>= 7) bytes[at++] = (rest & 0x7f) | 0x80;
    bytes[at] = rest;
    bytes.set(value, head);
    return bytes;
  },
  decode(bytes) {
    if (bytes.length === 0) return bytes;
    if (bytes[0] !== 0x0a) throw new Error('not a BytesValue');
    let at = 1;
    while ((bytes[at++] as number) >= 0x80);
    return bytes.subarray(at);
  },
};

/** google.protobuf.StringValue */
export const stringValue: Codec<string> = {
  encode: (value) => bytesValue.encode(Buffer.from(value)),
  decode: (bytes) => Buffer.from(bytesValue.decode(bytes)).toString(),
};

/** google.protobuf.Empty */
export const empty: Codec<Record<string, never>> = {
  encode: () => new Uint8Array(0),
  decode: () => ({}),
};

function method<K extends MethodKind, Req, Res>(
  name: string,
  kind: K,
  request: Codec<Req>,
  response: Codec<Res>,
): MethodSpec<K, Req, Res> {
  return { name, kind, request, response };
}

export const PeerService = {
  name: 'conformance.Peer',
  methods: {
    double: method('Double', 'unary', int64, int64),
    echo: method('Echo', 'unary', bytesValue, bytesValue),
    big: method('Big', 'unary', int64, bytesValue),
    fail: method('Fail', 'unary', int64, empty),
    metadata: method('Metadata', 'unary', empty, stringValue),
    wait: method('Wait', 'unary', empty, empty),
    empty: method('Empty', 'unary', empty, empty),
    unknown: method('Nothing', 'unary', empty, empty),
    sum: method('Sum', 'client-stream', int64, int64),
    count: method('Count', 'server-stream', int64, int64),
    squares: method('Squares', 'bidi', int64, int64),
    blobs: method('Blobs', 'server-stream', int64, bytesValue),
    drain: method('Drain', 'client-stream', bytesValue, int64),
    break: method('Break', 'server-stream', empty, stringValue),
    waits: method('Waits', 'server-stream', empty, empty),
  },
} as const;

const detail = {
  typeUrl: 'type.googleapis.com/google.protobuf.StringValue',
  value: stringValue.encode('détail'),
};

function metadataText(metadata: ReadonlyMap<string, readonly string[]>): string {
  return [...metadata]
    .map(([key, values]) => `${key}=${values.join(',')}`)
    .sort()
    .join(';');
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}

export const peerHandlers: Handlers<typeof PeerService> = {
  double: (n) => n * 2n,
  echo: (bytes) => bytes,
  big: (size) => new Uint8Array(Number(size)),
  fail(code) {
    if (code === 0n) throw new Error('plain error');
    throw new TtrpcError(Number(code), 'asked for', { details: [detail] });
  },
  metadata: (_, { metadata }) => metadataText(metadata),
  wait: (_, { signal }) => untilAborted(signal),
  empty: () => ({}),
  async sum(numbers) {
    let total = 0n;
    for await (const n of numbers) total += n;
    return total;
  },
  async *count(n) {
    for (let i = 0n; i < n; i++) yield i;
  },
  async *squares(numbers) {
    for await (const n of numbers) yield n * n;
  },
  async *blobs(request) {
    const blob = new Uint8Array(Number(request & 0xffffffffn));
    for (let i = request >> 32n; i > 0n; i--) yield blob;
  },
  async drain(blobs) {
    let total = 0;
    for await (const blob of blobs) total += blob.length;
    return BigInt(total);
  },
  async *break(_, { metadata }) {
    yield metadataText(metadata);
    throw new TtrpcError(Code.DataLoss, 'broken on purpose');
  },
  async *waits(_, { signal }) {
    yield await untilAborted(signal);
  },
};
