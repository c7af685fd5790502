/** Who is connected to a unix socket, according to the kernel, which knows even when the server hangs. */
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { runCommand } from './command.ts';

const SS_MS = 300;

export interface SocketPeers {
  /** Connections whose peer is alive; a server that hangs also keeps its end of those whose peer has gone. */
  readonly connected: number;
  /** Connections that the server has not accepted yet; the peers of some may have given up. */
  readonly waiting: number;
}

/** Connections of a socket in this network namespace (sock_diag(7), through `ss` of iproute2); none when `ss` fails. */
export async function peersOf(path: string): Promise<SocketPeers> {
  const argv = ['ss', '-xaH', 'src', path] as const;
  const result = await runCommand([...argv], { timeoutMs: SS_MS }).catch(() => undefined);
  return parsePeers(result?.code === 0 ? result.stdout : '', path);
}

/** Lines of `ss -xaH`: `u_str ESTAB|LISTEN <receive queue> <send queue> <path> <inode> * <peer's inode, or 0>`. */
export function parsePeers(text: string, path: string): SocketPeers {
  const rows = text.split('\n').map((line) => line.trim().split(/\s+/));
  const own = rows.filter((fields) => fields[4] === path);
  return {
    connected: own.filter((fields) => fields[1] === 'ESTAB' && Number(fields.at(-1)) > 0).length,
    waiting: own.reduce((sum, fields) => sum + (fields[1] === 'LISTEN' ? Number(fields[2]) : 0), 0),
  };
}

/** Whether somebody listens there; false for a socket file without a listener. */
export function canConnect(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Removes a socket's file, unless somebody listens on it. */
export async function removeDeadSocket(path: string): Promise<void> {
  if (!(await canConnect(path))) rmSync(path, { force: true });
}
