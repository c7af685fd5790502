/**
 * Port forwarding: container managers connect to localhost inside the pod's network namespace on the host, where a VM
 * has no listener. Each such connection is carried to the same port of the guest's loopback. See docs/network.md.
 */
import type { Socket } from 'node:net';
import type { GuestConnection, GuestConnections } from './guest-connections.ts';

/** More at once are abuse and are reset. */
const MAX_CONNECTIONS = 256;

export type PortForwardLog = (level: 'debug', message: string, fields: Record<string, unknown>) => void;

export class PortForward {
  readonly #guest: Pick<GuestConnections, 'dial'>;
  readonly #log: PortForwardLog;
  readonly #sockets = new Set<Socket>();

  constructor(guest: Pick<GuestConnections, 'dial'>, log: PortForwardLog) {
    this.#guest = guest;
    this.#log = log;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  /** Takes over a paused socket, whose local port is the port in the guest. */
  accept(socket: Socket): void {
    socket.on('error', () => undefined); // seen by whoever reads or writes the socket
    if (this.#sockets.size >= MAX_CONNECTIONS) {
      socket.resetAndDestroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    const { localPort: port, localFamily } = socket;
    this.#carry(socket, port ?? 0, localFamily === 'IPv6').catch((error: unknown) => {
      // So the peer sees a connection that the other side broke.
      if (!socket.destroyed) socket.resetAndDestroy();
      this.#log('debug', 'a forwarded connection broke', { port, error: String(error) });
    });
  }

  /** Resets all connections. */
  close(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async #carry(socket: Socket, port: number, ipv6: boolean): Promise<void> {
    const connection = await this.#guest.dial(port, ipv6);
    try {
      await Promise.all([toGuest(socket, connection), fromGuest(connection, socket)]);
    } finally {
      await connection.close();
    }
  }
}

async function toGuest(socket: Socket, connection: GuestConnection): Promise<void> {
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) {
    await connection.write(chunk as Buffer);
  }
  await connection.end();
}

async function fromGuest(connection: GuestConnection, socket: Socket): Promise<void> {
  for (let data = await connection.read(); data !== undefined; data = await connection.read()) {
    if (!socket.write(data)) await drained(socket);
  }
  socket.end();
}

/** Rejects when the socket closes instead. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = () => {
      socket.off('close', broken);
      resolve();
    };
    const broken = () => {
      socket.off('drain', done);
      reject(new Error('the client closed the connection'));
    };
    socket.once('drain', done);
    socket.once('close', broken);
  });
}
