/** Tells the guest of its network: from what the host has found to calls of the agent, in the order that they need. */
import type { GuestAgent } from '../agent/agent.ts';
import { isUnimplemented } from '../agent/agent-error.ts';
import {
  type ARPNeighbor,
  type Interface,
  type IPAddress,
  IPFamily,
  type Route as RouteMessage,
} from '../gen/agent.ts';
import type { Family, Link, Neighbor, Route, Topology } from '../vm/network/topology.ts';

const IFF_NOARP = 0x80;

function familyOf(family: Family): IPFamily {
  return family === 'inet' ? IPFamily.v4 : IPFamily.v6;
}

function addressMessage(family: Family, address: string, mask: string): IPAddress {
  return { family: familyOf(family), address, mask };
}

/** An interface; the guest finds its device by the hardware address. */
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
 * Gives the guest its interfaces (waiting there for devices that are being plugged in), then all routes, then the
 * neighbours. What is in the guest already stays as it is.
 * @throws AgentError
 */
export async function configureGuestNetwork(
  agent: Pick<GuestAgent, 'call'>,
  { links, routes, neighbors }: Pick<Topology, 'links' | 'routes' | 'neighbors'>,
): Promise<void> {
  // One after the other: names may have to be swapped.
  for (const link of links) {
    await agent.call('updateInterface', `setting up ${link.name} in the guest`, {
      interface: interfaceMessage(link),
    });
  }
  if (routes.length > 0) {
    const all = routes.map(routeMessage);
    await agent.call('updateRoutes', 'setting routes in the guest', { routes: { routes: all } });
  }
  if (neighbors.length === 0) return;
  try {
    const all = neighbors.map(neighborMessage);
    await agent.call('addARPNeighbors', 'setting neighbours in the guest', {
      neighbors: { arpNeighbors: all },
    });
  } catch (error) {
    // Old agents cannot; the guest then asks the network.
    if (!isUnimplemented(error)) throw error;
  }
}
