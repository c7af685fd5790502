/** Who is connected to a unix socket, asked of the kernel: it knows also when the server hangs. */
import { runCommand } from './command.ts';

const SS_MS = 300;

export interface SocketPeers {
  /** Connections whose other end lives; a server that hangs keeps its own end of others. */
  readonly connected: number;
  /** Those that the server has not accepted yet, some perhaps given up. */
  readonly waiting: number;
}

/** Connections of a socket of this network namespace (sock_diag(7), through `ss` of iproute2); none when that cannot be found out. */
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
