/**
 * What the host mounts for the guest, in a shared mount of its own: `<sandbox dir>/mounts/<container id>/rootfs`,
 * `private/<n>` for volumes of the pod and `volumes/<n>` for what others change too. By the place the file system daemon
 * knows how long the guest may believe what it has read (native/files/src/kind.rs). A source that several containers bind is mounted once: only
 * then do they share one cache in the guest and see each other's writes at once. Mounts made while the VM runs reach the
 * daemon, whose own view of the folder receives them.
 *
 * Once closed it admits nothing, and what was on its way has nowhere to land.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ShimError } from '../../base/errors.ts';
import { SerialQueue } from '../../base/serial-queue.ts';
import { mountHelper } from '../../config/locate.ts';
import {
  type HelperOptions,
  type MountEntry,
  mountAll,
  removeTargets,
  shareFolder,
  unmountAll,
} from '../../host/mounts.ts';

/** Where the guest mounts the share (a fixed path of the agent protocol). */
export const GUEST_SHARE = '/run/kata-containers/shared/containers';

/** A path of a container's in the share, as the guest sees it. */
export function guestPath(containerId: string, name: string): string {
  return `${GUEST_SHARE}/${containerId}/${name}`;
}

/** A file or folder of the host that a container binds. */
export interface HostVolume {
  readonly source: string;
  /** Enforced on the host: flags of the guest bind only the container, not a hostile guest. `all`: with what is below. */
  readonly readOnly: 'no' | 'top' | 'all';
  /** With what is mounted below it. */
  readonly recursive: boolean;
  /** Whether anybody outside of the pod changes it. */
  readonly isShared: boolean;
  /** Mount options by which its owners are seen as other ids (`uidmap=`, `gidmap=`). */
  readonly idMap?: readonly string[];
  /** Of what lies at the source now: it may be another thing than when an older container came. */
  readonly identity: string;
}

interface Volume {
  /** In the share. Never used twice, so that the guest cannot mistake a new volume for one that it still knows. */
  readonly path: string;
  readonly entry: MountEntry;
  readonly users: Set<string>;
  isMounted: boolean;
}

/** How long a batch of mounts that is under way may take when the share is closed; then it is killed. */
const CLOSE_MS = 1_000;
const VOLUMES = 'volumes';
const PRIVATE = 'private';
const READ_ONLY = { no: [], top: ['ro'], all: ['ro', 'rro'] } as const;

export class Share {
  readonly dir: string;
  readonly #volumes = new Map<string, Volume>();
  readonly #queue = new SerialQueue();
  readonly #abort = new AbortController();
  #closed: Promise<void> | undefined;
  #count = 0;

  private constructor(sandboxDir: string) {
    this.dir = join(sandboxDir, 'mounts');
  }

  /** @param sandboxDir an absolute path without symbolic links. */
  static async create(sandboxDir: string): Promise<Share> {
    const share = new Share(sandboxDir);
    mkdirSync(share.dir, { mode: 0o755 });
    await shareFolder(share.dir, share.#helper());
    return share;
  }

  /**
   * Notes what a container binds of the host; `addContainer` mounts it, unless another's use has done so, and
   * `removeContainer` undoes this too.
   * @param volumes by any key.
   * @returns their paths in the guest, by the same keys.
   */
  reserve<K>(containerId: string, volumes: ReadonlyMap<K, HostVolume>): Map<K, string> {
    return new Map([...volumes].map(([key, volume]) => [key, this.#pathOf(containerId, volume)]));
  }

  #pathOf(containerId: string, volume: HostVolume): string {
    const key = JSON.stringify(volume);
    const known = this.#volumes.get(key) ?? this.#newVolume(volume);
    this.#volumes.set(key, known);
    known.users.add(containerId);
    return `${GUEST_SHARE}/${known.path}`;
  }

  #newVolume({ source, readOnly, recursive, isShared, idMap = [] }: HostVolume): Volume {
    const path = `${isShared ? VOLUMES : PRIVATE}/${++this.#count}`;
    const options = [recursive ? 'rbind' : 'bind', ...READ_ONLY[readOnly], ...idMap];
    const entry = { type: 'bind', source, target: join(this.dir, path), options };
    return { path, entry, users: new Set(), isMounted: false };
  }

  /**
   * Mounts what a container has reserved, and its root. @throws MountError; `removeContainer` undoes what was mounted.
   * ShimError `unavailable` when the share is closed.
   * @param root mounts whose targets are below the container's `rootfs`.
   */
  addContainer(containerId: string, root: readonly MountEntry[]): Promise<void> {
    return this.#queue.run(async () => {
      if (this.#closed !== undefined) {
        throw new ShimError('unavailable', `container ${containerId} comes too late: its sandbox is ending`);
      }
      const used = [...this.#volumes.values()].filter(({ users }) => users.has(containerId));
      const missing = used.filter(({ isMounted }) => !isMounted);
      const folder = join(this.dir, containerId, 'rootfs');
      const mounts = root.map((mount) => ({ ...mount, target: join(folder, mount.target) }));
      await mountAll(this.dir, [...mounts, ...missing.map(({ entry }) => entry)], this.#helper());
      for (const volume of missing) volume.isMounted = true;
    });
  }

  /** Idempotent; also after the whole share is gone. */
  removeContainer(containerId: string): Promise<void> {
    if (this.#closed !== undefined) return this.#closed;
    return this.#queue.run(async () => {
      const dir = join(this.dir, containerId);
      // The two names that are not its own.
      const targets = [join(dir, 'rootfs'), ...([VOLUMES, PRIVATE].includes(containerId) ? [] : [dir])];
      for (const [key, { path, users }] of this.#volumes) {
        if (!users.delete(containerId) || users.size > 0) continue;
        this.#volumes.delete(key);
        targets.push(join(this.dir, path));
      }
      await removeTargets(this.dir, targets, { helper: mountHelper() });
    });
  }

  /**
   * Admits nothing from now on, waits for the mounts under way (not long) and unmounts everything. What is left are
   * empty targets. Once, for all callers.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const timer = setTimeout(() => this.#abort.abort(new Error('the sandbox is ending')), CLOSE_MS);
    try {
      await this.#queue.run(() => unmountAll(this.dir, { helper: mountHelper() }));
    } finally {
      clearTimeout(timer);
    }
  }

  #helper(): HelperOptions {
    return { helper: mountHelper(), signal: this.#abort.signal };
  }
}
