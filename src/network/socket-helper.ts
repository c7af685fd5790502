/**
 * Sockets in another network namespace: a short-lived helper creates them there and passes them to us, so no process
 * stays in the namespace. A socket belongs to the namespace that it was created in for as long as it lives.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { installationPrefix } from '../config/locate.ts';
import { childEnv } from '../host/process.ts';
import { type Namespace, openNamespace } from './namespace.ts';
import { NetworkError } from './network-error.ts';

/** The helper of this installation. */
export function loopbackHelper(): string {
  return join(installationPrefix(), 'lib/bulkhead/bulkhead-loopback');
}

/** The helper takes some milliseconds. */
const HANDOVER_MS = 10_000;

/** A UDP socket, bound on the namespace's 127.0.0.1. @throws NetworkError */
export async function datagramSocket(namespace: Namespace, helper: string): Promise<DatagramSocket> {
  return (await oneSocket(namespace, helper, ['datagram'])) as DatagramSocket;
}

/** A TCP connection inside the namespace. @throws NetworkError, also when it is refused. */
export async function connectInside(
  namespace: Namespace,
  helper: string,
  address: string,
  port: number,
): Promise<Socket> {
  return (await oneSocket(namespace, helper, ['connect', address, String(port)])) as Socket;
}

async function oneSocket(namespace: Namespace, helper: string, args: readonly string[]): Promise<unknown> {
  let got: { close?: () => void; destroy?: () => void } | undefined;
  const failure = await runSocketHelper(namespace, helper, args, (handle) => {
    got = handle as typeof got;
  });
  if (failure === undefined && got !== undefined) return got;
  (got?.destroy ?? got?.close)?.call(got);
  throw new NetworkError(`no socket in ${namespace.path}`, {
    stderr: failure ?? 'the helper passed no socket',
  });
}

/**
 * Runs the helper. `take` gets each handle that it passes, as Node's object for it.
 * @returns what went wrong; undefined on success.
 * @throws NetworkError when the namespace is gone or the host's.
 */
export async function runSocketHelper(
  namespace: Namespace,
  helper: string,
  args: readonly string[],
  take: (handle: unknown) => void,
): Promise<string | undefined> {
  const { path } = openNamespace(namespace.path);
  const child = spawn('nsenter', [`--net=${path}`, '--', helper, ...args], {
    env: childEnv(),
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  child.on('message', (_message, handle: unknown) => take(handle));
  return await handover(child);
}

/** Waits for the helper to exit and its channel to close; resolves with what went wrong. */
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
