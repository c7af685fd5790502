/** What has changed between two looks at a namespace (pure). */
import type { Link, Topology } from './topology.ts';

export interface NetworkChanges {
  /** Interfaces that the guest has not got yet. */
  readonly added: readonly Link[];
  /** Interfaces that are gone; one that was made anew under its old name is gone and added. */
  readonly removed: readonly Link[];
  /** Something that the guest can be told without a device: addresses, names, routes, neighbours. */
  readonly updated: boolean;
}

export function compareTopology(before: Topology, now: Topology): NetworkChanges {
  const same = (a: Link, b: Link) => a.index === b.index && a.mac === b.mac;
  const added = now.links.filter((link) => !before.links.some((old) => same(old, link)));
  const removed = before.links.filter((old) => !now.links.some((link) => same(old, link)));
  const kept = now.links.filter((link) => !added.includes(link));
  const old = before.links.filter((link) => !removed.includes(link));
  const changed =
    JSON.stringify(kept) !== JSON.stringify(old) ||
    JSON.stringify(now.routes) !== JSON.stringify(before.routes);
  return { added, removed, updated: added.length > 0 || changed };
}
