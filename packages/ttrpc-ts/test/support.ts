// Shared by the tests: a service of numbers, ways to connect both sides, and a peer that speaks raw frames.

import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, duplexPair } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import {
  type CallContext,
  type Client,
  type Codec,
  Connection,
  type ConnectionOptions,
  createClient,
  type Handlers,
  type MethodKind,
  type MethodSpec,
  Server,
  type ServerOptions,
} from '../src/index.ts';

export interface Num {
  readonly n: number;
  /** Ballast. */
  readonly pad?: string;
}

export const num: Codec<Num> = {
  encode: (message) => Buffer.from(JSON.stringify(message)),
  decode: (bytes) => JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString()),
};

function method<K extends MethodKind>(name: string, kind: K): MethodSpec<K, Num, Num> {
  return { name, kind, request: num, response: num };
}

export const NumService = {
  name: 'test.Num',
  methods: {
    double: method('Double', 'unary'),
    missing: method('Missing', 'unary'),
    sum: method('Sum', 'client-stream'),
    count: method('Count', 'server-stream'),
    squares: method('Squares', 'bidi'),
  },
} as const;

export type NumHandlers = Handlers<typeof NumService>;

export const handlers: NumHandlers = {
  double: ({ n }) => ({ n: n * 2 }),
  async sum(requests) {
    let n = 0;
    for await (const request of requests) n += request.n;
    return { n };
  },
  async *count({ n }) {
    for (let i = 0; i < n; i++) yield { n: i };
  },
  async *squares(requests) {
    for await (const { n } of requests) yield { n: n * n };
  },
};

export async function* numbers(count: number): AsyncGenerator<Num> {
  for (let n = 0; n < count; n++) yield { n };
}

export async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of source) all.push(item);
  return all;
}

export interface Pair extends AsyncDisposable {
  readonly server: Server;
  readonly connection: Connection;
  readonly client: Client<typeof NumService>;
}

export interface PairOptions {
  readonly server?: ServerOptions;
  readonly client?: ConnectionOptions;
}

/** Two ends connected in memory. Up to Node 22, node:stream's own do not notice that the other one was destroyed. */
export function memoryPair(): [Duplex, Duplex] {
  const [one, other] = duplexPair();
  one.on('close', () => setImmediate(() => other.destroy()));
  other.on('close', () => setImmediate(() => one.destroy()));
  return [one, other];
}

/** A client and a server connected in memory. */
export function joined(own: NumHandlers = handlers, options: PairOptions = {}): Pair {
  const [clientEnd, serverEnd] = memoryPair();
  const server = new Server(options.server);
  server.add(NumService, own);
  server.accept(serverEnd);
  const connection = new Connection(clientEnd, options.client);
  return disposable(server, connection);
}

/** A client and a server connected by a unix socket. */
export async function joinedBySocket(
  own: NumHandlers = handlers,
  options: PairOptions = {},
): Promise<Pair & { path: string }> {
  const path = socketPath();
  const server = new Server(options.server);
  server.add(NumService, own);
  await server.listen({ path });
  const connection = new Connection(connectSocket(path), options.client);
  return { ...disposable(server, connection), path };
}

function disposable(server: Server, connection: Connection): Pair {
  return {
    server,
    connection,
    client: createClient(NumService, connection),
    async [Symbol.asyncDispose]() {
      connection.close();
      server.close();
      await connection.closed;
    },
  };
}

export function socketPath(): string {
  const path = join(tmpdir(), `ttrpc-ts-${process.pid}-${randomBytes(4).toString('hex')}.sock`);
  process.once('exit', () => rmSync(path, { force: true }));
  return path;
}

export function frame(id: number, type: number, flags: number, data: Uint8Array = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(10);
  header.writeUInt32BE(data.length, 0);
  header.writeUInt32BE(id, 4);
  header[8] = type;
  header[9] = flags;
  return Buffer.concat([header, data]);
}

/** An encoded ttrpc.Request, encoded independently of the library. */
export function request(service: string, name: string, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const bytes = (tag: number, value: Uint8Array): Buffer => {
    if (value.length > 127) throw new Error('too long for this helper');
    return Buffer.concat([Buffer.from([tag, value.length]), value]);
  };
  const parts = [bytes(0x0a, Buffer.from(service)), bytes(0x12, Buffer.from(name))];
  if (payload.length > 0) parts.push(bytes(0x1a, payload));
  return Buffer.concat(parts);
}

export interface RawFrame {
  readonly id: number;
  readonly type: number;
  readonly flags: number;
  readonly data: Buffer;
}

/** A peer without a library: writes bytes, collects frames. */
export class RawPeer {
  readonly #socket: Duplex;
  #bytes: Buffer = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  closed = false;

  constructor(duplex: Duplex) {
    this.#socket = duplex;
    duplex.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake?.();
    });
    duplex.on('close', () => {
      this.closed = true;
      this.#wake?.();
    });
    duplex.on('error', () => undefined);
  }

  send(...parts: Uint8Array[]): void {
    this.#socket.write(Buffer.concat(parts));
  }

  end(): void {
    this.#socket.destroy();
  }

  /** The next frame, or undefined when the connection closed or none came within two seconds. */
  async next(timeoutMs = 2000): Promise<RawFrame | undefined> {
    const limit = Date.now() + timeoutMs;
    for (;;) {
      const length = this.#bytes.length >= 10 ? this.#bytes.readUInt32BE(0) : 0;
      if (this.#bytes.length >= 10 + length && this.#bytes.length >= 10) {
        const b = this.#bytes;
        this.#bytes = b.subarray(10 + length);
        return {
          id: b.readUInt32BE(4),
          type: b[8] as number,
          flags: b[9] as number,
          data: b.subarray(10, 10 + length),
        };
      }
      const left = limit - Date.now();
      if (this.closed || left <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** Resolves when the signal of a call is aborted. */
export function aborted(context: CallContext): Promise<void> {
  return new Promise((resolve) => {
    if (context.signal.aborted) resolve();
    else context.signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

setFlagsFromString('--expose-gc');

/** A full garbage collection, for tests that measure memory. */
export const collectGarbage: () => void = runInNewContext('gc');

export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
