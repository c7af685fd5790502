/**
 * Takes the TCP connections to the loopback addresses of a namespace, whatever their port. No process stays for it, and
 * nothing is between the namespace's packets and their ways. All of it ends when the result is closed, or with this
 * process.
 */
import { Server, type Socket } from 'node:net';
import type { Namespace } from './namespace.ts';
import { NetworkError } from './network-error.ts';
import { runSocketHelper } from './socket-helper.ts';

export interface LoopbackListener {
  close(): void;
}

/** What the helper hands over besides the servers: closing it ends the redirection. */
interface Keeper {
  close(): void;
  unref(): void;
}

/**
 * @param helper path of `bulkhead-loopback`.
 * @param accept gets each connection, paused and half-open when its peer ends; `localPort` and `localAddress` are what
 * the peer asked for.
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
    stderr: failure ?? 'the helper gave nothing',
  });
}

function listening(server: Server, accept: (socket: Socket) => void): Server {
  // Read at each connection, and not settable on a server that was handed over in another way.
  Object.assign(server, { allowHalfOpen: true, pauseOnConnect: true });
  server.on('connection', accept);
  server.on('error', () => undefined);
  return server;
}

function isKeeper(handle: unknown): handle is Keeper {
  return typeof (handle as Keeper | undefined)?.close === 'function' && 'unref' in Object(handle);
}
