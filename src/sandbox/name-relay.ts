/**
 * Docker's resolver of container names listens on the loopback of the container's network namespace, on the host. The
 * guest has a loopback of its own: there its agent takes the queries, and they are put to the resolver from here, by
 * sockets of the namespace. See docs/network.md.
 */
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestAgent } from '../agent/agent.ts';
import { GuestNames, type NameQuery } from '../agent/names.ts';
import type { Namespace } from '../vm/network/namespace.ts';
import { connectInside, datagramSocket } from '../vm/network/socket-helper.ts';

/** Where Docker's resolver listens. */
export const DOCKER_RESOLVER = '127.0.0.11';
const PORT = 53;
/** A message without this has no id to find its answer by. */
const HEADER_BYTES = 12;
/** Docker itself gives up on other servers earlier. */
const ANSWER_MS = 10_000;
/** The guest waits while so many are under way. */
const MAX_PENDING = 128;
const PAUSE_MS = 20;
/** More than these at once are not answered; each takes a run of the helper. */
const MAX_CONNECTIONS = 8;

const NO_ANSWER = new Uint8Array();

/** The sockets of the namespace. */
export interface ResolverSockets {
  readonly datagram: DatagramSocket;
  connect(): Promise<Socket>;
}

export class NameRelay {
  readonly #guest: Pick<GuestNames, 'next' | 'answer'>;
  readonly #sockets: ResolverSockets;
  readonly #server: { readonly address: string; readonly port: number };
  readonly #stop = new AbortController();
  /** By the id that the query has on the way to the server: two programs may have chosen the same. */
  readonly #pending = new Map<number, (answer: Buffer) => void>();
  #lastId = Math.floor(Math.random() * 0x10000);
  #connections = 0;

  /** @param server for tests. */
  constructor(
    guest: Pick<GuestNames, 'next' | 'answer'>,
    sockets: ResolverSockets,
    server = { address: DOCKER_RESOLVER, port: PORT },
  ) {
    this.#guest = guest;
    this.#sockets = sockets;
    this.#server = server;
    sockets.datagram.unref();
    sockets.datagram.on('error', () => undefined); // the query then has no answer
    sockets.datagram.on('message', (message, from) => {
      if (from.address !== server.address || from.port !== server.port) return;
      if (message.length >= HEADER_BYTES) this.#pending.get(message.readUInt16BE(0))?.(message);
    });
  }

  /** Answers until `close`, or until the agent is gone. @throws AgentError in the second case */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // A guest that asks without end has to wait.
      while (this.#pending.size >= MAX_PENDING) await sleep(PAUSE_MS, undefined, { ref: false });
      const query = await this.#guest.next();
      void this.#resolve(query)
        .catch(() => NO_ANSWER)
        .then((answer) => this.#guest.answer(query.id, answer))
        .catch(() => undefined); // the agent is gone
    }
  }

  close(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#sockets.datagram.close();
  }

  async #resolve({ message, tcp }: NameQuery): Promise<Uint8Array> {
    if (message.length < HEADER_BYTES || this.#stop.signal.aborted) return NO_ANSWER;
    return tcp ? await this.#overTcp(message) : await this.#overUdp(message);
  }

  async #overUdp(message: Uint8Array): Promise<Uint8Array> {
    do this.#lastId = (this.#lastId + 1) & 0xffff;
    while (this.#pending.has(this.#lastId));
    const id = this.#lastId;
    const query = Buffer.from(message);
    query.writeUInt16BE(id, 0);
    const answered = Promise.withResolvers<Buffer>();
    this.#pending.set(id, answered.resolve);
    const timer = new AbortController();
    const signal = AbortSignal.any([timer.signal, this.#stop.signal]);
    try {
      this.#sockets.datagram.send(query, this.#server.port, this.#server.address);
      const late = sleep(ANSWER_MS, undefined, { signal, ref: false });
      const answer = await Promise.race([answered.promise, late]);
      if (answer === undefined) return NO_ANSWER;
      answer.set(message.subarray(0, 2));
      return answer;
    } finally {
      this.#pending.delete(id);
      timer.abort();
    }
  }

  async #overTcp(message: Uint8Array): Promise<Uint8Array> {
    if (this.#connections >= MAX_CONNECTIONS) return NO_ANSWER;
    this.#connections++;
    try {
      const socket = await this.#sockets.connect();
      try {
        const length = Buffer.alloc(2);
        length.writeUInt16BE(message.length);
        socket.setTimeout(ANSWER_MS, () => socket.destroy());
        socket.write(Buffer.concat([length, message]));
        return await readMessage(socket);
      } finally {
        socket.destroy();
      }
    } finally {
      this.#connections--;
    }
  }
}

/**
 * Has the guest's queries to Docker's resolver answered, until the result is closed.
 * @param requestMs limit of a call to the agent.
 * @param helper path of `bulkhead-loopback`.
 * @throws NetworkError, AgentError
 */
export async function startNameRelay(
  agent: Pick<GuestAgent, 'client'>,
  requestMs: number,
  namespace: Namespace,
  helper: string,
): Promise<NameRelay> {
  const datagram = await datagramSocket(namespace, helper);
  const guest = new GuestNames(agent, requestMs);
  try {
    await guest.serve(DOCKER_RESOLVER);
  } catch (error) {
    datagram.close();
    throw error;
  }
  const connect = () => connectInside(namespace, helper, DOCKER_RESOLVER, PORT);
  const relay = new NameRelay(guest, { datagram, connect });
  relay.run().catch(() => relay.close());
  return relay;
}

async function readMessage(socket: Socket): Promise<Uint8Array> {
  let all = Buffer.alloc(0);
  for await (const chunk of socket) {
    all = Buffer.concat([all, chunk as Buffer]);
    if (all.length >= 2 && all.length >= 2 + all.readUInt16BE(0))
      return all.subarray(2, 2 + all.readUInt16BE(0));
  }
  return NO_ANSWER;
}
