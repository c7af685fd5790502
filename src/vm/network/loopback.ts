/**
 * Takes the TCP connections to the loopback addresses of a namespace, whatever their port. A helper that ends at once
 * makes the sockets in the namespace and hands them over; no process stays for it, and nothing is between the namespace's
 * packets and their ways. All of it ends when the result is closed, or with this process.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { installationPrefix } from '../../config/locate.ts';
import { childEnv } from '../../host/process.ts';
import { type Namespace, openNamespace } from './namespace.ts';
import { NetworkError } from './network-error.ts';

/** The helper of this installation. */
export function loopbackHelper(): string {
  return join(installationPrefix(), 'lib/bulkhead/bulkhead-loopback');
}

export interface LoopbackListener {
  close(): void;
}

/** What the helper hands over besides the servers: closing it ends the redirection. */
interface Keeper {
  close(): void;
  unref(): void;
}

/** The helper takes some milliseconds. */
const HANDOVER_MS = 10_000;

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
  const { path } = openNamespace(namespace.path);
  const child = spawn('nsenter', [`--net=${path}`, '--', helper], {
    env: childEnv(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  const [servers, keepers] = [[] as Server[], [] as Keeper[]];
  child.on('message', (_message, handle: unknown) => {
    if (handle instanceof Server) servers.push(listening(handle, accept));
    else if (isKeeper(handle)) keepers.push(handle);
  });
  const close = () => {
    for (const one of [...keepers, ...servers]) one.close();
  };
  const failure = await handover(child);
  if (failure === undefined && servers.length > 0 && keepers.length === 1) {
    for (const one of [...keepers, ...servers]) one.unref();
    return { close };
  }
  close();
  throw new NetworkError(`cannot listen on the loopback of ${path}`, {
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

/** Waits for the end of the helper and of its channel; gives what went wrong. */
function handover(child: ChildProcess): Promise<string | undefined> {
  return new Promise((resolve) => {
    let stderr = '';
    child.stderr?.on('data', (data: Buffer) => {
      if (stderr.length < 4096) stderr += data.toString('latin1');
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), HANDOVER_MS);
    child.once('error', (error) => {
      clearTimeout(timer);
      resolve(error.message);
    });
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      resolve(code === 0 ? undefined : stderr || `exit ${code ?? signal}`);
    });
  });
}
