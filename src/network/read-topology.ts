/** Turns iproute2's view of a namespace into what the guest gets of it. Pure. */
import type { IpAddress, IpDump, IpLink, IpNeighbor, IpNexthop, IpRoute } from './iproute.ts';
import {
  type Address,
  type Family,
  type Link,
  type Neighbor,
  type Route,
  TAP_PREFIX,
  type Topology,
} from './topology.ts';

const SCOPES: Readonly<Record<string, number>> = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 };
const RTNH_F_ONLINK = 4;
const NUD_REACHABLE = 2;
const NUD_PERMANENT = 128;

/** Reads the output of `ip`. Never throws: what a guest cannot have is left out, with a note. */
export function readTopology(dump: IpDump): Topology {
  const notes: string[] = [];
  const links = dump.links.flatMap((link) => readLink(link, notes));
  const names = new Set(links.map((link) => link.name));
  const routes = dump.routes.flatMap((route) => readRoute(route, names, notes));
  routes.push(...dump.links.filter((link) => names.has(link.ifname ?? '')).flatMap(peerRoutes));
  const gateways = new Set(routes.map((route) => `${route.device} ${route.gateway}`));
  return {
    links,
    routes: routes.sort(byOrder),
    neighbors: dump.neighbors.flatMap((neighbor) => readNeighbor(neighbor, names, gateways)),
    taps: dump.links
      .filter((link) => link.ifname?.startsWith(TAP_PREFIX) && link.linkinfo?.info_kind === 'tun')
      .map((link) => ({ name: link.ifname ?? '', inUse: link.flags?.includes('LOWER_UP') === true })),
    notes,
  };
}

function readLink(link: IpLink, notes: string[]): Link[] {
  const { ifname: name, ifindex: index, address: mac, flags = [], link_type: type, mtu } = link;
  if (name === undefined || index === undefined || mtu === undefined) return [];
  if (flags.includes('LOOPBACK') || name.startsWith(TAP_PREFIX) || !flags.includes('UP')) return [];
  const addresses = (link.addr_info ?? []).flatMap(readAddress);
  if (addresses.length === 0) return [];
  if (type !== 'ether' || mac === undefined) {
    notes.push(`${name} is not an Ethernet interface (${type}): the guest does not get it`);
    return [];
  }
  if (link.linkinfo?.info_slave_kind !== undefined) {
    notes.push(`${name} belongs to a ${link.linkinfo.info_slave_kind}: the guest does not get it`);
    return [];
  }
  return [
    {
      ...{ name, index, mac, mtu, addresses },
      kind: link.linkinfo?.info_kind ?? 'physical',
      noArp: flags.includes('NOARP'),
      ipv6: addresses.some(({ family }) => family === 'inet6'),
    },
  ];
}

function readAddress({ family, local, prefixlen, dadfailed }: IpAddress): Address[] {
  if ((family !== 'inet' && family !== 'inet6') || !local || prefixlen === undefined || dadfailed) return [];
  return [{ family, address: local, prefix: prefixlen }];
}

/**
 * On the host the kernel adds the route to the peer of a point-to-point address. The agent's protocol has no peers, so
 * in the guest it must be set.
 */
function peerRoutes({ ifname, addr_info = [] }: IpLink): Route[] {
  return addr_info.flatMap<Route>(({ family, local, address, prefixlen }) => {
    if ((family !== 'inet' && family !== 'inet6') || !local || !address || address === local) return [];
    const dest = `${address}/${prefixlen}`;
    return [
      {
        family,
        dest,
        gateway: '',
        device: ifname ?? '',
        source: local,
        scope: 253,
        flags: 0,
        mtu: 0,
        metric: 0,
      },
    ];
  });
}

function readRoute(route: IpRoute, links: ReadonlySet<string>, notes: string[]): Route[] {
  const { type = 'unicast', table = 'main', protocol } = route;
  // The guest's kernel adds its own with the addresses.
  if ((table !== 'main' && table !== '254') || protocol === 'kernel') return [];
  const dest = route.dst ?? 'default';
  const what = `route to ${dest}`;
  if (type !== 'unicast') {
    notes.push(`${what} is of type ${type}: the guest does not get it`);
    return [];
  }
  const hop = firstHop(route, what, notes);
  if (!hop.dev || !links.has(hop.dev)) return [];
  if (hop.via !== undefined) {
    notes.push(`${what} has a gateway of another family: the guest does not get it`);
    return [];
  }
  const flags = new Set([...(route.flags ?? []), ...(hop.flags ?? [])]);
  const family: Family = route.pref !== undefined || dest.includes(':') ? 'inet6' : 'inet';
  return [
    {
      family,
      dest: dest === 'default' ? '' : withPrefix(dest, family),
      gateway: hop.gateway ?? '',
      device: hop.dev,
      source: route.prefsrc ?? '',
      scope: scopeOf(route.scope),
      flags: flags.has('onlink') ? RTNH_F_ONLINK : 0,
      mtu: route.metrics?.find((metric) => metric.mtu !== undefined)?.mtu ?? 0,
      metric: route.metric ?? 0,
    },
  ];
}

function firstHop(route: IpRoute, what: string, notes: string[]): IpNexthop {
  const [first, ...others] = route.nexthops ?? [];
  if (first === undefined) return route;
  if (others.length > 0) notes.push(`${what} has ${others.length + 1} gateways: the guest gets the first`);
  return first;
}

function withPrefix(dest: string, family: Family): string {
  return dest.includes('/') ? dest : `${dest}/${family === 'inet' ? 32 : 128}`;
}

function scopeOf(scope: string | undefined): number {
  if (scope === undefined) return 0;
  return SCOPES[scope] ?? (Number.parseInt(scope, 10) || 0);
}

/** Routes on the link come before those through gateways; of two to one destination the better metric comes first. */
function byOrder(a: Route, b: Route): number {
  return Number(a.gateway !== '') - Number(b.gateway !== '') || a.metric - b.metric;
}

/** Permanent entries, and known gateways, so that the guest's first packet needs no resolution. */
function readNeighbor(
  entry: IpNeighbor,
  links: ReadonlySet<string>,
  gateways: ReadonlySet<string>,
): Neighbor[] {
  const { dst: address, dev: device, lladdr: mac, state = [] } = entry;
  if (!address || !device || !mac || !links.has(device)) return [];
  const family: Family = address.includes(':') ? 'inet6' : 'inet';
  if (state.includes('PERMANENT')) return [{ family, address, device, mac, state: NUD_PERMANENT }];
  if (!state.includes('REACHABLE') || !gateways.has(`${device} ${address}`)) return [];
  return [{ family, address, device, mac, state: NUD_REACHABLE }];
}
