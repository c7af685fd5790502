/** Id-mapped mounts: the options `uidmap=` and `gidmap=` in containerd's form (`inside:outside:count`). Pure. */

/** Comma-separated ranges `inside:outside:count`: an id as stored in the file system, and what it appears as. */
export interface IdMap {
  readonly uids: string;
  readonly gids: string;
}

/** A range of an OCI spec. */
export interface IdRange {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

const OPTION = /^(uidmap|gidmap)=(.+)$/;
/** The identity mapping. */
const SAME = '0:0:4294967295';

/** Separates the mapping from the other options. */
export function splitIdMap(options: readonly string[]): {
  readonly idMap: IdMap | undefined;
  readonly rest: readonly string[];
} {
  const given = new Map<string, string>();
  for (const option of options) {
    const [, name, ranges] = OPTION.exec(option) ?? [];
    if (name !== undefined && ranges !== undefined) given.set(name, ranges);
  }
  const rest = options.filter((option) => !OPTION.test(option));
  if (given.size === 0) return { idMap: undefined, rest };
  return { idMap: { uids: given.get('uidmap') ?? SAME, gids: given.get('gidmap') ?? SAME }, rest };
}

/** The mount options for the mapping of an OCI mount; empty without one. */
export function idMapOptions(uids: readonly IdRange[] = [], gids: readonly IdRange[] = []): string[] {
  const text = (name: string, ranges: readonly IdRange[]) =>
    ranges.length === 0
      ? []
      : [
          `${name}=${ranges.map(({ containerID, hostID, size }) => `${containerID}:${hostID}:${size}`).join(',')}`,
        ];
  return [...text('uidmap', uids), ...text('gidmap', gids)];
}

/** What an id maps to; one outside of all ranges stays the same. */
export function mapId(id: number, ranges: readonly IdRange[] = []): number {
  const range = ranges.find(({ containerID, size }) => id >= containerID && id < containerID + size);
  return range === undefined ? id : range.hostID + id - range.containerID;
}
