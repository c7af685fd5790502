/** The contents of a network namespace on the host, as far as the guest's network is built from them. */

export type Family = 'inet' | 'inet6';

export interface Address {
  readonly family: Family;
  readonly address: string;
  /** Length of the prefix. */
  readonly prefix: number;
}

/** An interface that the guest gets. */
export interface Link {
  readonly name: string;
  /** The kernel's ifindex, unique in its namespace. */
  readonly index: number;
  readonly mac: string;
  readonly mtu: number;
  /** `veth`, `macvlan`, ...; `physical` when the kernel reports no kind. */
  readonly kind: string;
  readonly noArp: boolean;
  /** Whether it has an IPv6 address. */
  readonly ipv6: boolean;
  readonly addresses: readonly Address[];
}

/** A unicast route of the main table. */
export interface Route {
  readonly family: Family;
  /** With prefix length; empty: the default route. */
  readonly dest: string;
  /** Empty: the destination is directly on the link. */
  readonly gateway: string;
  readonly device: string;
  /** Preferred source address, or empty. */
  readonly source: string;
  /** As in rtnetlink: 0 universe, 253 link, 254 host. */
  readonly scope: number;
  /** As in rtnetlink: 4 is RTNH_F_ONLINK, "the gateway is on the link, whatever the addresses say". */
  readonly flags: number;
  /** 0: the interface's. */
  readonly mtu: number;
  readonly metric: number;
}

export interface Neighbor {
  readonly family: Family;
  readonly address: string;
  readonly device: string;
  readonly mac: string;
  /** As in rtnetlink: 2 reachable, 128 permanent. */
  readonly state: number;
}

/** One of our taps in the namespace. */
export interface OwnTap {
  readonly name: string;
  /** Whether a process, the VMM of a sandbox, has it open. */
  readonly inUse: boolean;
}

export interface Topology {
  readonly links: readonly Link[];
  /** In an order in which they can be added: those without a gateway first, better metrics first. */
  readonly routes: readonly Route[];
  readonly neighbors: readonly Neighbor[];
  readonly taps: readonly OwnTap[];
  /** What the guest does not get, and why. */
  readonly notes: readonly string[];
}

/** Names of our taps start with this; the rest is the index of their interface. */
export const TAP_PREFIX = 'bhtap';

/** The tap of an interface. An index has at most ten digits, a name at most 15 characters. */
export function tapOf(link: Pick<Link, 'index'>): string {
  return `${TAP_PREFIX}${link.index}`;
}
