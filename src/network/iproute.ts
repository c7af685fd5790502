/** The JSON of iproute2 (`ip -j -d`), as far as it is used here; any field may be missing in some version. */

export interface IpAddress {
  readonly family?: string;
  readonly local?: string;
  /** The peer's address on a point-to-point link. */
  readonly address?: string;
  readonly prefixlen?: number;
  readonly dadfailed?: boolean;
}

export interface IpLink {
  readonly ifindex?: number;
  readonly ifname?: string;
  readonly flags?: readonly string[];
  readonly mtu?: number;
  readonly link_type?: string;
  readonly address?: string;
  readonly linkinfo?: { readonly info_kind?: string; readonly info_slave_kind?: string };
  readonly addr_info?: readonly IpAddress[];
}

export interface IpNexthop {
  readonly gateway?: string;
  readonly via?: { readonly family?: string; readonly host?: string };
  readonly dev?: string;
  readonly flags?: readonly string[];
}

export interface IpRoute extends IpNexthop {
  readonly type?: string;
  readonly dst?: string;
  readonly table?: string;
  readonly protocol?: string;
  readonly scope?: string;
  readonly prefsrc?: string;
  readonly metric?: number;
  /** Only IPv6 routes have it. */
  readonly pref?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
  readonly nexthops?: readonly IpNexthop[];
}

export interface IpNeighbor {
  readonly dst?: string;
  readonly dev?: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

/** What one run of `ip` prints about a namespace. */
export interface IpDump {
  readonly links: readonly IpLink[];
  readonly routes: readonly IpRoute[];
  readonly neighbors: readonly IpNeighbor[];
}

/** The commands of that run, for `ip -j -d -batch -`. Only `table all` lists the routes of both families. */
export const DUMP_COMMANDS = 'addr show\nroute show table all\nneigh show\n';

/**
 * Splits the output of {@link DUMP_COMMANDS}: one line of JSON, an array, per command.
 * @throws Error when it is something else.
 */
export function parseDump(output: string): IpDump {
  const parts = output
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as unknown);
  const [links, routes, neighbors] = parts;
  if (parts.length !== 3 || !Array.isArray(links) || !Array.isArray(routes) || !Array.isArray(neighbors)) {
    throw new Error(`expected 3 lists of JSON, got ${parts.length}`);
  }
  // iproute2 prints an empty object for an entry that its filters leave out.
  const filled = <T>(list: unknown[]) => list.filter((entry) => Object.keys(Object(entry)).length > 0) as T[];
  return { links: filled(links), routes: filled(routes), neighbors: filled(neighbors) };
}
