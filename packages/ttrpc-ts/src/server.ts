// Owns a server: its services, listeners, connections, and shutdown.

import { createServer, type Server as NetServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ServerInterceptor, wrapHandler } from './interceptor.ts';
import type { ConnectionLimits } from './limits.ts';
import { Router } from './router.ts';
import type { BoundHandler } from './server-call.ts';
import { ServerConnection, type ServerHost } from './server-connection.ts';
import type { CallContext, Handlers, ServiceSpec } from './service.ts';
import { Code, TtrpcError } from './status.ts';

/** A connection to be authorized. */
export interface IncomingConnection {
  /** Nothing has been read from it. */
  readonly socket: Socket;
  /**
   * The file descriptor of the accepted socket, for a check of its peer (`SO_PEERCRED`) outside of JavaScript; valid
   * until the hook has answered. Undefined if Node does not expose it. Do not close it.
   */
  readonly fd: number | undefined;
}

/** Options of a {@link Server}. */
export interface ServerOptions {
  /** Wrapped around every handler, the first one outermost. */
  readonly interceptors?: readonly ServerInterceptor[];
  readonly limits?: ConnectionLimits;
  /** Handlers that may run at once per connection (10 000); further calls get `ResourceExhausted`. */
  readonly maxConcurrentCalls?: number;
  /**
   * Decides on every connection of a listener before anything is read from it. If it throws, rejects, or takes longer
   * than `authorizeTimeoutMs`, the connection is closed without an answer.
   *
   * Node itself cannot read the credentials of a unix socket's peer; the hook gets the descriptor for a native addon
   * or a helper process that can. The README has an example.
   */
  readonly authorize?: (connection: IncomingConnection) => void | Promise<void>;
  /** Milliseconds that `authorize` may take (5000). */
  readonly authorizeTimeoutMs?: number;
}

/** Where a server listens: a unix socket, an inherited descriptor, a TCP port, or a net.Server. */
export type ListenAddress =
  | { readonly path: string }
  | { readonly fd: number }
  | { readonly port: number; readonly host?: string }
  | NetServer;

type AnyHandler = (input: unknown, context: CallContext) => unknown;

/** A ttrpc server. */
export class Server {
  readonly #options: ServerOptions;
  readonly #router = new Router();
  readonly #connections = new Set<ServerConnection>();
  readonly #listeners = new Set<NetServer>();
  readonly #entering = new Set<Socket>();
  readonly #host: ServerHost;
  #stopped = false;
  #onAllClosed: (() => void) | undefined;

  constructor(options: ServerOptions = {}) {
    this.#options = options;
    this.#host = {
      limits: options.limits ?? {},
      router: this.#router,
      maxConcurrentCalls: options.maxConcurrentCalls ?? 10_000,
      onConnectionClosed: (connection) => {
        this.#connections.delete(connection);
        if (this.#connections.size === 0) this.#onAllClosed?.();
      },
    };
  }

  /** How many connections are open. */
  get connections(): number {
    return this.#connections.size;
  }

  /**
   * Serves a service. `handlers` may be any object with methods of these names, including a class instance; missing
   * ones answer `Unimplemented`. Throws if the service was already added.
   */
  add<S extends ServiceSpec>(service: S, handlers: Handlers<S>): this {
    const methods = new Map<string, BoundHandler>();
    const interceptors = this.#options.interceptors ?? [];
    const table = handlers as Readonly<Record<string, AnyHandler | undefined>>;
    for (const [key, spec] of Object.entries(service.methods)) {
      const handler = table[key];
      if (handler === undefined) continue;
      methods.set(spec.name, {
        service: service.name,
        method: spec.name,
        kind: spec.kind,
        decode: (bytes) => spec.request.decode(bytes),
        encode: (message) => spec.response.encode(message),
        handle: wrapHandler(interceptors, spec.kind, (input, context) => handler.call(table, input, context)),
      });
    }
    this.#router.add(service.name, methods);
    return this;
  }

  /** Listens; resolves when connections are accepted. A net.Server may already be listening. */
  async listen(address: ListenAddress): Promise<void> {
    if (this.#stopped) throw new Error('server was shut down');
    if ('on' in address) {
      this.#adopt(address);
      return;
    }
    const listener = createServer({ noDelay: true });
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(address, () => {
        listener.off('error', reject);
        resolve();
      });
    });
    if (this.#stopped) {
      listener.close();
      throw new Error('server was shut down');
    }
    this.#adopt(listener);
  }

  /** Serves an existing connection, without `authorize`. */
  accept(duplex: Duplex): void {
    if (this.#stopped) {
      duplex.destroy();
      return;
    }
    this.#connections.add(new ServerConnection(duplex, this.#host));
  }

  /**
   * Shuts down gracefully: no new connections, no new calls (`Unavailable`), and once the calls in progress are
   * answered every connection is closed: by its peer or, `graceMs` (1000) after the last answer, by this side. A
   * connection without a recent answer is closed at once. This is for Go's client: when an answer and the end arrive
   * together, it takes either. What is left after `timeoutMs` (10 000) is closed as by {@link close}.
   */
  async shutdown(options: { readonly timeoutMs?: number; readonly graceMs?: number } = {}): Promise<void> {
    this.#stopListening();
    if (this.#connections.size === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const allClosed = new Promise<void>((resolve) => {
      this.#onAllClosed = resolve;
      timer = setTimeout(() => this.close(), options.timeoutMs ?? 10_000);
    });
    for (const connection of this.#connections) connection.drain(options.graceMs ?? 1000);
    await allClosed;
    clearTimeout(timer);
  }

  /** Closes listeners and connections at once; the signals of running handlers are aborted. */
  close(): void {
    this.#stopListening();
    const error = new TtrpcError(Code.Unavailable, 'server was closed');
    for (const connection of [...this.#connections]) connection.close(error);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #stopListening(): void {
    this.#stopped = true;
    for (const listener of this.#listeners) listener.close();
    this.#listeners.clear();
    for (const socket of this.#entering) socket.destroy();
    this.#entering.clear();
  }

  #adopt(listener: NetServer): void {
    this.#listeners.add(listener);
    listener.on('connection', (socket) => this.#onConnection(socket));
    listener.once('close', () => this.#listeners.delete(listener));
    // A failure to accept (out of descriptors) affects that connection, not the process.
    listener.on('error', () => undefined);
  }

  #onConnection(socket: Socket): void {
    const { authorize } = this.#options;
    if (authorize === undefined) this.accept(socket);
    else void this.#admit(socket, authorize);
  }

  async #admit(socket: Socket, authorize: NonNullable<ServerOptions['authorize']>): Promise<void> {
    this.#entering.add(socket);
    const ignore = (): void => undefined;
    socket.on('error', ignore);
    const timer = setTimeout(() => socket.destroy(), this.#options.authorizeTimeoutMs ?? 5000);
    try {
      await authorize({ socket, fd: descriptorOf(socket) });
      if (!socket.destroyed) this.accept(socket);
    } catch {
      socket.destroy();
    } finally {
      clearTimeout(timer);
      this.#entering.delete(socket);
    }
  }
}

/** Node keeps the descriptor in the socket's handle, which is undocumented. */
function descriptorOf(socket: Socket): number | undefined {
  const handle = (socket as { _handle?: { fd?: unknown } | null })._handle;
  return typeof handle?.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined;
}
