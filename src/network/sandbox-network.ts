/**
 * The network of a sandbox: the namespace that its VMM runs in, the interfaces there that the guest gets, and how those
 * that appear later get there. See docs/network.md.
 */
import { accessSync, constants } from 'node:fs';
import type { GuestAgent } from '../agent/agent.ts';
import { messageOf, ShimError } from '../base/errors.ts';
import { SerialQueue } from '../base/serial-queue.ts';
import { netnsKind } from '../host/netns.ts';
import type { HotPlug, NicSpec, Vm, VmSpec } from '../vm/hypervisor.ts';
import { compareTopology } from './changes.ts';
import { ContainerNames } from './container-names.ts';
import { discover } from './discover.ts';
import { GuestConnections } from './guest-connections.ts';
import { configureGuestNetwork } from './guest-network.ts';
import { type LoopbackListener, takeLoopback } from './loopback.ts';
import { type NetworkMode, networkMode, type SpecNamespaces } from './mode.ts';
import { type Namespace, openNamespace } from './namespace.ts';
import { PortForward } from './port-forward.ts';
import type { SpecMount } from './resolv-conf.ts';
import { loopbackHelper } from './socket-helper.ts';
import { makeTaps, type NetworkRecord, redirectFrames, removeTaps, tapRecords } from './taps.ts';
import { type Link, type Topology, tapOf } from './topology.ts';
import { type WatchPace, watchNetwork } from './watch.ts';

export interface SandboxNetworkContext {
  log(level: 'debug' | 'info' | 'warn', message: string, fields?: Record<string, unknown>): void;
  /** Records what is about to be created, so that another process can undo it (`removeTaps`). */
  record(network: NetworkRecord): void;
  /** Uid and gid of the VMM, which opens the taps. */
  readonly uid: number;
}

/** The parts of a running sandbox that network changes need. */
export interface NetworkGuest {
  readonly vm: Pick<Vm, 'pid'> & { readonly devices: Pick<HotPlug, 'addNic' | 'removeNic'> };
  readonly agent: Pick<GuestAgent, 'call'>;
}

const NOTHING: Topology = { links: [], routes: [], neighbors: [], taps: [], notes: [] };

/** Managers that connect a container after its start do so at once; Docker may do it again at any time. */
const PACE: WatchPace = { busyMs: 3_000, busyPauseMs: 50, idlePauseMs: 5_000 };
/** A namespace that the manager created is not watched forever. */
const JOINED_PACE: WatchPace = { busyMs: 30_000, busyPauseMs: 250 };

export class SandboxNetwork {
  readonly mode: NetworkMode;
  readonly #context: SandboxNetworkContext;
  readonly #stop = new AbortController();
  readonly #queue = new SerialQueue();
  #namespace: Namespace | undefined;
  #topology: Topology = NOTHING;
  /** What the guest has been given of it. */
  #told: Topology = NOTHING;
  /** Continues while the VM boots. */
  #redirecting: Promise<void> = Promise.resolve();
  #names: ContainerNames | undefined;
  #forward: { readonly ports: PortForward; readonly listener: LoopbackListener } | undefined;

  private constructor(mode: NetworkMode, context: SandboxNetworkContext) {
    this.mode = mode;
    this.#context = context;
  }

  /**
   * Decides where the VMM runs and connects the interfaces that exist. Needs nothing from the guest; its last part, the
   * redirects, continues after this resolves.
   * @throws ShimError `invalid-argument` when the spec asks for a network that a VM cannot have; NetworkError.
   */
  static async prepare(
    namespaces: SpecNamespaces,
    pod: boolean,
    context: SandboxNetworkContext,
    signal?: AbortSignal,
  ): Promise<SandboxNetwork> {
    const mode = networkMode(namespaces, pod, netnsKind);
    if (mode.t === 'reject') throw new ShimError('invalid-argument', mode.reasons.join('; '));
    if (mode.t === 'isolated') context.log('warn', 'no network', { reasons: mode.reasons.join('; ') });
    const network = new SandboxNetwork(mode, context);
    if (mode.t !== 'join') return network;
    const namespace = openNamespace(mode.path);
    const topology = await discover(namespace, signal);
    network.#namespace = namespace;
    network.#note(topology);
    if (topology.links.length > 0) {
      context.record({ ...namespace, taps: tapRecords(topology.links) });
      await makeTaps(namespace, topology.links, topology.taps, { owner: context.uid, signal });
    }
    network.#topology = topology;
    network.#redirecting = redirectFrames(namespace, topology.links, signal);
    network.#redirecting.catch(() => undefined); // `configureGuest` reports it
    return network;
  }

  /** The VM's part: its namespace and the NICs that it boots with. */
  get vmSpec(): Pick<VmSpec, 'netnsPath' | 'nics'> {
    if (this.mode.t !== 'join') return {};
    return { netnsPath: this.mode.path, nics: this.#topology.links.map(nicOf) };
  }

  /** Configures the network that the guest booted with. @throws NetworkError, AgentError */
  async configureGuest(agent: NetworkGuest['agent']): Promise<void> {
    await this.#redirecting;
    await this.#tell(agent);
  }

  /**
   * Call this before the first container starts: managers that connect a container between Create and Start have done
   * so by now. Later interfaces are noticed until `end` in a new namespace, for 30 s in a joined one, and not at
   * all in a joined one that had interfaces at boot.
   */
  async settle(guest: NetworkGuest): Promise<void> {
    if (this.mode.t === 'isolated') return;
    if (this.mode.t === 'join' && this.#topology.links.length > 0) return;
    this.#namespace ??= openNamespace(`/proc/${guest.vm.pid}/ns/net`);
    const namespace = this.#namespace;
    const look = async (): Promise<void> => {
      await this.#rescan(guest);
      await this.#names?.check(namespace, this.#topology.links);
    };
    await this.#queue.run(look);
    const pace = this.mode.t === 'new' ? PACE : JOINED_PACE;
    const changed = async () => {
      await this.#queue.run(look).catch((error: unknown) => {
        if (this.#stop.signal.aborted) return;
        this.#context.log('warn', 'a change of the network did not reach the guest', {
          error: messageOf(error),
        });
      });
    };
    void watchNetwork(guest.vm.pid, pace, changed, this.#stop.signal);
  }

  /**
   * Carries connections to the loopback of the pod's namespace into the guest, until `end`. Costs one short run of a
   * helper and two idle sockets. Never rejects: a failure is logged, and the pod does without.
   * @param requestMs limit of connecting inside the guest, in ms.
   * @param helper only set by tests.
   */
  async forwardPorts(
    agent: Pick<GuestAgent, 'client' | 'isOurs'>,
    requestMs: number,
    helper = loopbackHelper(),
  ): Promise<void> {
    if (this.mode.t !== 'join' || this.#namespace === undefined || !agent.isOurs) return;
    const ports = new PortForward(new GuestConnections(agent, requestMs), this.#context.log);
    try {
      const listener = await takeLoopback(this.#namespace, helper, (socket) => ports.accept(socket));
      if (this.#stop.signal.aborted) listener.close();
      else this.#forward = { ports, listener };
    } catch (error) {
      this.#context.log('warn', 'no port forwarding', { error: messageOf(error) });
    }
  }

  /**
   * Answers queries to Docker's resolver, from when the container's resolv.conf names it until `end`.
   * @param requestMs limit of a call to the agent, in ms.
   * @param mounts the first container's.
   */
  relayNames(
    agent: Pick<GuestAgent, 'client' | 'isOurs'>,
    requestMs: number,
    mounts: readonly SpecMount[],
  ): void {
    if (this.mode.t !== 'new' || !agent.isOurs) return;
    this.#names = new ContainerNames({ agent, requestMs, mounts, log: this.#context.log });
  }

  /** Removes the host's part; the VM is gone or about to go. Idempotent. @throws NetworkError */
  async end(): Promise<void> {
    this.#stop.abort();
    this.#names?.close();
    this.#forward?.listener.close();
    this.#forward?.ports.close();
    await this.#redirecting.catch(() => undefined);
    await this.#queue.run(() => Promise.resolve());
    // The VMM's own namespace goes away with it.
    if (this.mode.t !== 'join' || this.#namespace === undefined) return;
    const links = this.#topology.links;
    await removeTaps({ ...this.#namespace, taps: tapRecords(links) });
    this.#topology = NOTHING;
  }

  async #rescan(guest: NetworkGuest): Promise<void> {
    const namespace = this.#namespace;
    if (namespace === undefined || this.#stop.signal.aborted) return;
    const begin = performance.now();
    const topology = await discover(namespace, this.#stop.signal);
    const { added, removed, updated } = compareTopology(this.#topology, topology);
    if (removed.length > 0) await this.#unplug(namespace, guest, removed);
    if (added.length > 0) await this.#plug(namespace, guest, topology, added);
    this.#topology = topology;
    this.#note(topology);
    if (!updated) return;
    await this.#tell(guest.agent);
    this.#context.log('info', 'network changed', {
      interfaces: topology.links.map((link) => link.name).join(' '),
      ms: Math.round(performance.now() - begin),
    });
  }

  async #tell(agent: NetworkGuest['agent']): Promise<void> {
    const topology = this.#topology;
    await configureGuestNetwork(agent, topology, this.#told);
    this.#told = topology;
  }

  async #plug(
    namespace: Namespace,
    guest: NetworkGuest,
    topology: Topology,
    added: readonly Link[],
  ): Promise<void> {
    this.#context.record({ ...namespace, taps: tapRecords([...this.#topology.links, ...added]) });
    // Recorded first, so that `end` also undoes those whose device fails below.
    this.#topology = { ...this.#topology, links: [...this.#topology.links, ...added] };
    const options = { owner: this.#context.uid, signal: this.#stop.signal };
    try {
      await makeTaps(namespace, added, topology.taps, options);
      await redirectFrames(namespace, added, this.#stop.signal);
      for (const link of added) await guest.vm.devices.addNic(nicOf(link));
    } catch (error) {
      // So that the next scan finds them new. `end` undoes what cannot be undone now.
      await this.#unplug(namespace, guest, added).catch(() => undefined);
      throw error;
    }
  }

  async #unplug(namespace: Namespace, guest: NetworkGuest, removed: readonly Link[]): Promise<void> {
    for (const link of removed) await guest.vm.devices.removeNic(nicId(link));
    await removeTaps({ ...namespace, taps: tapRecords(removed) });
    const links = this.#topology.links.filter((link) => !removed.includes(link));
    this.#topology = { ...this.#topology, links };
  }

  #note(topology: Topology): void {
    const old = new Set(this.#topology.notes);
    const notes = topology.notes.filter((note) => !old.has(note));
    if (notes.length > 0) this.#context.log('info', 'not passed to the guest', { notes: notes.join('; ') });
  }
}

function nicId(link: Link): string {
  return `net${link.index}`;
}

function nicOf(link: Link): NicSpec {
  return { id: nicId(link), tap: tapOf(link), mac: link.mac, vhost: hasVhostNet() };
}

function hasVhostNet(): boolean {
  try {
    accessSync('/dev/vhost-net', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
