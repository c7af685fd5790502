/**
 * Docker's resolver of container names listens on the loopback of the container's network namespace, on the host. The
 * guest has its own loopback, where its agent takes the queries; this sends them on to the resolver, from sockets in
 * the namespace. See docs/network.md.
 */
import type { Socket as DatagramSocket } from 'node:dgram';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestAgent } from '../agent/agent.ts';
import { Rate } from '../base/rate.ts';
import { GuestNames, type NameQuery } from './guest-names.ts';
import type { Namespace } from './namespace.ts';
import { connectInside, datagramSocket } from './socket-helper.ts';

/** Where Docker's resolver listens. */
export const DOCKER_RESOLVER = '127.0.0.11';
const PORT = 53;
/** A shorter message has no id by which to match its answer. */
const HEADER_BYTES = 12;
/**
 * Docker gives up on its own upstream servers sooner. After part of that time the query is sent again from a new
 * socket: a restarted dockerd has its resolver on another port, and the kernel keeps mapping an old socket to the old
 * port.
 */
const ANSWER_MS = 10_000;
const FIRST_ANSWER_MS = 3_000;
/** Queries in flight; beyond that the guest waits. */
const MAX_UNDER_WAY = 128;
const PAUSE_MS = 20;
/** A faster guest waits too: one that is always answered at once could otherwise keep this process busy. */
const QUERIES = { perSecond: 1_000, burst: 1_000 };
/** Limit of concurrent TCP queries; others get no answer. Each runs the helper once, so their starts are spaced out. */
const MAX_CONNECTIONS = 8;
const CONNECTION_DISTANCE_MS = 100;

const NO_ANSWER = new Uint8Array();

/** Creates sockets in the namespace. */
export interface ResolverSockets {
  open(): Promise<DatagramSocket>;
  connect(): Promise<Socket>;
}

export class NameRelay {
  readonly #guest: Pick<GuestNames, 'next' | 'answer'>;
  readonly #sockets: ResolverSockets;
  readonly #server: { readonly address: string; readonly port: number };
  readonly #stop = new AbortController();
  /** By the query's id on the way to the server, which is ours, because two programs may choose the same. */
  readonly #pending = new Map<number, (answer: Buffer) => void>();
  #datagram: DatagramSocket;
  #renewal: Promise<void> | undefined;
  #lastId = Math.floor(Math.random() * 0x10000);
  #connections = 0;
  #nextConnection = 0;
  #underWay = 0;
  readonly #rate = new Rate(QUERIES);

  /**
   * @param datagram the first socket from `open`.
   * @param server only set by tests.
   */
  constructor(
    guest: Pick<GuestNames, 'next' | 'answer'>,
    sockets: ResolverSockets,
    datagram: DatagramSocket,
    server = { address: DOCKER_RESOLVER, port: PORT },
  ) {
    this.#guest = guest;
    this.#sockets = sockets;
    this.#server = server;
    this.#datagram = this.#listenTo(datagram);
  }

  /** Answers queries until `close`. @throws AgentError when the agent is gone */
  async run(): Promise<void> {
    while (!this.#stop.signal.aborted) {
      // A guest that asks endlessly has to wait.
      while (this.#underWay >= MAX_UNDER_WAY || !this.#rate.take()) {
        await sleep(PAUSE_MS, undefined, { ref: false });
      }
      const query = await this.#guest.next();
      this.#underWay++;
      void this.#resolve(query)
        .catch(() => NO_ANSWER)
        .then((answer) => this.#guest.answer(query.id, answer))
        .catch(() => undefined) // the agent is gone
        .finally(() => this.#underWay--);
    }
  }

  close(): void {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#datagram.close();
  }

  #listenTo(datagram: DatagramSocket): DatagramSocket {
    const { address, port } = this.#server;
    datagram.unref();
    datagram.on('error', () => undefined); // the query then has no answer
    datagram.on('message', (message, from) => {
      if (from.address !== address || from.port !== port) return;
      if (message.length >= HEADER_BYTES) this.#pending.get(message.readUInt16BE(0))?.(message);
    });
    return datagram;
  }

  /** Replaces a socket that got no answer, once for all queries that notice. */
  async #renew(used: DatagramSocket): Promise<void> {
    if (used !== this.#datagram) return;
    const replace = async (): Promise<void> => {
      const fresh = await this.#sockets.open();
      if (this.#stop.signal.aborted) return void fresh.close();
      used.close();
      this.#datagram = this.#listenTo(fresh);
    };
    this.#renewal ??= replace()
      .catch(() => undefined) // the old one may still work
      .finally(() => {
        this.#renewal = undefined;
      });
    await this.#renewal;
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
      for (const waitMs of [FIRST_ANSWER_MS, ANSWER_MS - FIRST_ANSWER_MS]) {
        const datagram = this.#datagram;
        datagram.send(query, this.#server.port, this.#server.address);
        const late = sleep(waitMs, undefined, { signal, ref: false });
        const answer = await Promise.race([answered.promise, late]);
        if (answer !== undefined) {
          answer.set(message.subarray(0, 2));
          return answer;
        }
        await this.#renew(datagram);
      }
      return NO_ANSWER;
    } finally {
      this.#pending.delete(id);
      timer.abort();
    }
  }

  async #overTcp(message: Uint8Array): Promise<Uint8Array> {
    if (this.#connections >= MAX_CONNECTIONS) return NO_ANSWER;
    this.#connections++;
    try {
      const now = performance.now();
      const at = Math.max(now, this.#nextConnection);
      this.#nextConnection = at + CONNECTION_DISTANCE_MS;
      await sleep(at - now, undefined, { signal: this.#stop.signal, ref: false });
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
 * Answers the guest's queries to Docker's resolver, until the result is closed.
 * @param requestMs limit of a call to the agent, in ms.
 * @param helper path of `bulkhead-loopback`.
 * @throws NetworkError, AgentError
 */
export async function startNameRelay(
  agent: Pick<GuestAgent, 'client'>,
  requestMs: number,
  namespace: Namespace,
  helper: string,
): Promise<NameRelay> {
  const open = () => datagramSocket(namespace, helper);
  const datagram = await open();
  const guest = new GuestNames(agent, requestMs);
  try {
    await guest.serve(DOCKER_RESOLVER);
  } catch (error) {
    datagram.close();
    throw error;
  }
  const connect = () => connectInside(namespace, helper, DOCKER_RESOLVER, PORT);
  const relay = new NameRelay(guest, { open, connect }, datagram);
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
