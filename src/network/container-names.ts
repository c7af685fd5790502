/**
 * Lets a container resolve the names that Docker's resolver knows, other containers' among them, from the moment that
 * its resolv.conf names that resolver; that may be when it is connected to another network later.
 */
import type { GuestAgent } from '../agent/agent.ts';
import { messageOf } from '../base/errors.ts';
import { DOCKER_RESOLVER, type NameRelay, startNameRelay } from './name-relay.ts';
import { admitNameAnswers } from './name-traffic.ts';
import type { Namespace } from './namespace.ts';
import { asksServer, dnsOf, type SpecMount } from './resolv-conf.ts';
import { loopbackHelper } from './socket-helper.ts';
import { tapRecords } from './taps.ts';
import type { Link } from './topology.ts';

export interface ContainerNamesContext {
  readonly agent: Pick<GuestAgent, 'client'>;
  /** Limit of a call to the agent, in ms. */
  readonly requestMs: number;
  /** The container's mounts, one of which is its resolv.conf. */
  readonly mounts: readonly SpecMount[];
  log(level: 'warn', message: string, fields: Record<string, unknown>): void;
}

export class ContainerNames {
  readonly #context: ContainerNamesContext;
  readonly #stop = new AbortController();
  readonly #admitted = new Set<number>();
  #relay: NameRelay | undefined;

  constructor(context: ContainerNamesContext) {
    this.#context = context;
  }

  /** Call it, one call at a time, whenever the network has changed. Never rejects: failures are logged. */
  async check(namespace: Namespace, links: readonly Link[]): Promise<void> {
    if (this.#stop.signal.aborted) return;
    try {
      this.#relay ??= await this.#start(namespace);
      if (this.#stop.signal.aborted) this.#relay?.close();
      if (this.#relay === undefined) return;
      const fresh = links.filter(({ index }) => !this.#admitted.has(index));
      for (const { index } of fresh) this.#admitted.add(index);
      await admitNameAnswers(namespace, tapRecords(fresh), this.#stop.signal);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      this.#context.log('warn', 'the container cannot resolve all names', { error: messageOf(error) });
    }
  }

  close(): void {
    this.#stop.abort();
    this.#relay?.close();
  }

  async #start(namespace: Namespace): Promise<NameRelay | undefined> {
    const { agent, requestMs, mounts } = this.#context;
    if (!asksServer(await dnsOf(mounts), DOCKER_RESOLVER)) return undefined;
    return await startNameRelay(agent, requestMs, namespace, loopbackHelper());
  }
}
