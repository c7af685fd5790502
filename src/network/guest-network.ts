/** Configures the guest's network: turns what the host found into calls of the agent, in the order that they need. */
import { isDeepStrictEqual } from 'node:util';
import type { GuestAgent } from '../agent/agent.ts';
import { isUnimplemented } from '../agent/agent-error.ts';
import {
  type ARPNeighbor,
  type Interface,
  type IPAddress,
  IPFamily,
  type Route as RouteMessage,
} from '../gen/agent.ts';
import type { Family, Link, Neighbor, Route, Topology } from './topology.ts';

const IFF_NOARP = 0x80;

type Network = Pick<Topology, 'links' | 'routes' | 'neighbors'>;

function familyOf(family: Family): IPFamily {
  return family === 'inet' ? IPFamily.v4 : IPFamily.v6;
}

function addressMessage(family: Family, address: string, mask: string): IPAddress {
  return { family: familyOf(family), address, mask };
}

/** An interface; the guest finds its device by MAC address. */
export function interfaceMessage(link: Link): Interface {
  return {
    device: link.name,
    name: link.name,
    ipAddresses: link.addresses.map(({ family, address, prefix }) =>
      addressMessage(family, address, String(prefix)),
    ),
    mtu: BigInt(link.mtu),
    hwAddr: link.mac,
    devicePath: '',
    type: link.kind,
    rawFlags: link.noArp ? IFF_NOARP : 0,
  };
}

export function routeMessage({ family, metric: _, ...route }: Route): RouteMessage {
  return { ...route, family: familyOf(family) };
}

export function neighborMessage({ family, address, device, mac, state }: Neighbor): ARPNeighbor {
  return { toIPAddress: addressMessage(family, address, ''), device, lladdr: mac, state, flags: 0 };
}

/**
 * Sets the guest's interfaces (the agent waits for devices that are being plugged in), then all routes, then the
 * neighbours.
 * @param before what the guest has: only new or changed interfaces are set, because setting one takes it down for a
 * moment.
 * @throws AgentError
 */
export async function configureGuestNetwork(
  agent: Pick<GuestAgent, 'call'>,
  { links: all, routes, neighbors }: Network,
  before: Network = { links: [], routes: [], neighbors: [] },
): Promise<void> {
  const links = all.filter((link) => !before.links.some((old) => isDeepStrictEqual(old, link)));
  // Sequentially, because names may have to be swapped.
  for (const link of links) {
    await agent.call('updateInterface', `setting up ${link.name} in the guest`, {
      interface: interfaceMessage(link),
    });
  }
  // An interface that was down has lost its routes; our agent removes routes that are not in the list.
  if (routes.length > 0 || before.routes.length > 0) {
    const messages = routes.map(routeMessage);
    await agent.call('updateRoutes', 'setting routes in the guest', { routes: { routes: messages } });
  }
  if (neighbors.length === 0) return;
  try {
    const arpNeighbors = neighbors.map(neighborMessage);
    await agent.call('addARPNeighbors', 'setting neighbours in the guest', { neighbors: { arpNeighbors } });
  } catch (error) {
    // Old agents cannot; the guest then resolves them itself.
    if (!isUnimplemented(error)) throw error;
  }
}
