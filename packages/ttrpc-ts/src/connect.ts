// Owns the simplest way to connect: by unix or TCP socket.

import { connect as connectSocket } from 'node:net';
import { Connection, type ConnectionOptions } from './connection.ts';
import { Code, TtrpcError } from './status.ts';

/** Where a server listens: a unix socket or a TCP port. */
export type ConnectAddress = { readonly path: string } | { readonly port: number; readonly host?: string };

/** Options of {@link connect}. */
export interface ConnectOptions extends ConnectionOptions {
  /** Cancels the attempt. */
  readonly signal?: AbortSignal;
}

/** Connects to a server. Rejects with `Unavailable` when that fails, `Canceled` when the signal is aborted. */
export function connect(address: ConnectAddress, options: ConnectOptions = {}): Promise<Connection> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(new TtrpcError(Code.Canceled, 'connecting was canceled', { cause: signal.reason }));
      return;
    }
    const socket = connectSocket('port' in address ? { ...address, noDelay: true } : address);
    const onAbort = (): void => {
      socket.destroy();
      reject(new TtrpcError(Code.Canceled, 'connecting was canceled', { cause: signal?.reason }));
    };
    const onError = (cause: Error): void => {
      signal?.removeEventListener('abort', onAbort);
      reject(new TtrpcError(Code.Unavailable, `cannot connect: ${cause.message}`, { cause }));
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', () => {
      signal?.removeEventListener('abort', onAbort);
      socket.off('error', onError);
      resolve(new Connection(socket, options));
    });
  });
}
