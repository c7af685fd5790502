/**
 * The folder of the host that virtiofsd exports to the guest, and what is mounted in it:
 * `<sandbox dir>/shared/<container id>/rootfs`, and `volumes/<n>` for what containers bind from the host. A source that
 * several containers bind is mounted once: only then do they share one cache in the guest and see each other's writes at
 * once. Mounts made while the VM runs reach the daemon, because the folder is a shared mount.
 */
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { installationPrefix } from '../config/locate.ts';
import { type MountEntry, mountAll } from '../host/mounts.ts';
import { removeTree } from '../host/remove-tree.ts';
import { SerialQueue } from './serial-queue.ts';

/** Where the guest mounts the share (a fixed path of the agent protocol). */
export const GUEST_SHARE = '/run/kata-containers/shared/containers';

/** A file or folder of the host that a container binds. */
export interface HostVolume {
  readonly source: string;
  /** Enforced on the host: flags of the guest bind only the container, not a hostile guest. */
  readonly readOnly: boolean;
  /** With what is mounted below it. */
  readonly recursive: boolean;
  /** Mounts below it that are made read-only too, relative to the source. */
  readonly readOnlyBelow: readonly string[];
  /** Mount options by which its owners are seen as other ids (`uidmap=`, `gidmap=`). */
  readonly idMap?: readonly string[];
}

interface Volume {
  /** Never used twice, so that the guest cannot mistake a new volume for one that it still knows. */
  readonly name: string;
  readonly entries: readonly MountEntry[];
  readonly users: Set<string>;
  isMounted: boolean;
}

export class Share {
  readonly dir: string;
  /** Where the guest makes folders that are to lie on the host's disk: in the root of the sandbox's own container. */
  readonly localDir: string;
  readonly #sandboxDir: string;
  readonly #volumes = new Map<string, Volume>();
  readonly #queue = new SerialQueue();
  #count = 0;

  private constructor(sandboxDir: string, sandboxId: string) {
    this.localDir = `${GUEST_SHARE}/${sandboxId}/rootfs/local`;
    this.#sandboxDir = sandboxDir;
    this.dir = join(sandboxDir, 'shared');
  }

  static async create(sandboxDir: string, sandboxId: string): Promise<Share> {
    const share = new Share(sandboxDir, sandboxId);
    mkdirSync(share.dir, { mode: 0o755 });
    await share.#mount([]);
    return share;
  }

  /** A path of a container, as the host and as the guest sees it. */
  path(containerId: string, name: string): { readonly host: string; readonly guest: string } {
    return { host: join(this.dir, containerId, name), guest: `${GUEST_SHARE}/${containerId}/${name}` };
  }

  /**
   * Notes that a container binds something of the host; `addContainer` mounts it, unless another's use has done so.
   * @returns its path in the guest.
   */
  volume(containerId: string, volume: HostVolume): string {
    const key = keyOf(volume);
    const known = this.#volumes.get(key) ?? this.#newVolume(volume);
    this.#volumes.set(key, known);
    known.users.add(containerId);
    return `${GUEST_SHARE}/volumes/${known.name}`;
  }

  #newVolume({ source, readOnly, recursive, readOnlyBelow, idMap = [] }: HostVolume): Volume {
    const name = String(++this.#count);
    const target = this.#volumePath(name);
    const options = [recursive ? 'rbind' : 'bind', ...(readOnly ? ['ro'] : []), ...idMap];
    const below = readOnlyBelow.map((path) => ({
      ...{ type: 'bind', source: join(source, path), target: join(target, path) },
      options: ['bind', 'ro'],
    }));
    const entries = [{ type: 'bind', source, target, options }, ...below];
    return { name, entries, users: new Set(), isMounted: false };
  }

  #volumePath(name: string): string {
    return join(this.dir, 'volumes', name);
  }

  /** Mounts what a container needs. @throws MountError; `removeContainer` undoes what was mounted. */
  addContainer(containerId: string, mounts: readonly MountEntry[]): Promise<void> {
    return this.#queue.run(async () => {
      const used = [...this.#volumes.values()].filter(({ users }) => users.has(containerId));
      const missing = used.filter(({ isMounted }) => !isMounted);
      await this.#mount([...mounts, ...missing.flatMap(({ entries }) => entries)]);
      for (const volume of missing) volume.isMounted = true;
    });
  }

  /** Idempotent; also after the whole share is gone. */
  removeContainer(containerId: string): Promise<void> {
    return this.#queue.run(async () => {
      await removeTree(join(this.dir, containerId));
      for (const [key, { name, users }] of this.#volumes) {
        if (!users.delete(containerId) || users.size > 0) continue;
        this.#volumes.delete(key);
        await removeTree(this.#volumePath(name));
      }
    });
  }

  #mount(mounts: readonly MountEntry[]): Promise<void> {
    const idMapHelper = join(installationPrefix(), 'lib/bulkhead/bulkhead-mount');
    return mountAll(mounts, { root: this.dir, scratchDir: this.#sandboxDir, share: true, idMapHelper });
  }
}

/** What lies at the path now is part of the key: it may be another thing than when an older container came. */
function keyOf(volume: HostVolume): string {
  const stat = statSync(volume.source, { throwIfNoEntry: false });
  return JSON.stringify([volume, stat?.dev, stat?.ino]);
}
