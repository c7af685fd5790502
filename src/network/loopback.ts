/**
 * Accepts all TCP connections to the loopback addresses of a namespace, on any port. No process stays behind for that,
 * and the namespace's packets take their usual path. It ends when the result is closed, or with this process.
 */

import { Server, type Socket } from 'node:net';
import type { Namespace } from './namespace.ts';
import { NetworkError } from './network-error.ts';
import { runSocketHelper } from './socket-helper.ts';

export interface LoopbackListener {
  close(): void;
}

/** What the helper passes besides the servers: closing it ends the redirection. */
interface Keeper {
  close(): void;
  unref(): void;
}

/**
 * @param helper path of `bulkhead-loopback`.
 * @param accept gets each connection, paused and with `allowHalfOpen`; `localPort` and `localAddress` are what the
 * peer connected to.
 * @throws NetworkError when the helper is missing or the kernel cannot (before Linux 5.9, or without IPv4 loopback).
 */
export async function takeLoopback(
  namespace: Namespace,
  helper: string,
  accept: (socket: Socket) => void,
): Promise<LoopbackListener> {
  const [servers, keepers] = [[] as Server[], [] as Keeper[]];
  const failure = await runSocketHelper(namespace, helper, [], (handle) => {
    if (handle instanceof Server) servers.push(listening(handle, accept));
    else if (isKeeper(handle)) keepers.push(handle);
  });
  const close = () => {
    for (const one of [...keepers, ...servers]) one.close();
  };
  if (failure === undefined && servers.length > 0 && keepers.length === 1) {
    for (const one of [...keepers, ...servers]) one.unref();
    return { close };
  }
  close();
  throw new NetworkError(`cannot listen on the loopback of ${namespace.path}`, {
    stderr: failure ?? 'the helper passed no socket',
  });
}

function listening(server: Server, accept: (socket: Socket) => void): Server {
  // Node reads these on each connection; for an inherited server there is no other way to set them.
  Object.assign(server, { allowHalfOpen: true, pauseOnConnect: true });
  server.on('connection', accept);
  server.on('error', () => undefined);
  return server;
}

function isKeeper(handle: unknown): handle is Keeper {
  return typeof (handle as Keeper | undefined)?.close === 'function' && 'unref' in Object(handle);
}
