/** What has changed between two readings of a namespace. Pure. */
import type { Link, Topology } from './topology.ts';

export interface NetworkChanges {
  /** Interfaces that the guest does not have yet. */
  readonly added: readonly Link[];
  /** Interfaces that are gone; one that was recreated under its old name is both removed and added. */
  readonly removed: readonly Link[];
  /** Whether the guest must be updated: interfaces were added, or addresses, names or routes changed. */
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
