/**
 * Folders of the host of which the guest has a copy (config maps, secrets): it is told when something changes, so that it
 * need not look. Whatever is not told, by a watch that cannot be had or a call that is lost, the guest finds by itself.
 */
import { type FSWatcher, watch } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A folder of the host, and where the guest follows it. */
export interface WatchedFolder {
  readonly source: string;
  readonly mountPoint: string;
}

/** Between two calls for one folder, however often it changes and however quick the guest answers. */
const PAUSE_MS = 100;

type Tell = (mountPoint: string) => Promise<void>;
type Log = (message: string, fields: Record<string, unknown>) => void;

interface Entry {
  readonly users: Set<string>;
  watcher: FSWatcher | undefined;
  /** A call is under way; `again`: something has changed since it began. */
  telling: boolean;
  again: boolean;
  /** The guest relies on being told. */
  agreed: boolean;
}

export class WatchedFolders {
  readonly #tell: Tell;
  readonly #log: Log;
  readonly #folders = new Map<string, Entry>();

  /**
   * @param tell tells the guest that the source of a mount point has changed; rejects when it does not know it.
   * @param log for what only costs time.
   */
  constructor(tell: Tell, log: Log) {
    this.#tell = tell;
    this.#log = log;
  }

  /** The container's volumes are in the guest. From now on it is told of changes, and once of those so far. */
  use(containerId: string, folders: readonly WatchedFolder[]): void {
    for (const { source, mountPoint } of folders) {
      const known = this.#folders.get(mountPoint);
      if (known !== undefined) {
        known.users.add(containerId);
        continue;
      }
      const entry: Entry = {
        users: new Set([containerId]),
        watcher: undefined,
        telling: false,
        again: false,
        agreed: false,
      };
      this.#folders.set(mountPoint, entry);
      this.#watch(source, mountPoint, entry);
    }
  }

  /** Idempotent. */
  release(containerId: string): void {
    for (const [mountPoint, entry] of this.#folders) {
      if (!entry.users.delete(containerId) || entry.users.size > 0) continue;
      this.#folders.delete(mountPoint);
      this.#stop(entry);
    }
  }

  close(): void {
    for (const entry of this.#folders.values()) this.#stop(entry);
    this.#folders.clear();
  }

  #watch(source: string, mountPoint: string, entry: Entry): void {
    const failed = (error: unknown) => {
      this.#stop(entry);
      this.#log('changes of a volume are not told to the guest, which looks for them itself', {
        source,
        error: error instanceof Error ? error.message : String(error),
      });
    };
    try {
      // The kernel limits watches per user, and the folder may be gone.
      entry.watcher = watch(
        source,
        { persistent: false },
        () => void this.#changed(mountPoint, entry, failed),
      );
      entry.watcher.on('error', failed);
    } catch (error) {
      failed(error);
      return;
    }
    void this.#changed(mountPoint, entry, failed);
  }

  /** One call at a time, however many changes there are. */
  async #changed(mountPoint: string, entry: Entry, failed: (error: unknown) => void): Promise<void> {
    entry.again = true;
    if (entry.telling) return;
    entry.telling = true;
    try {
      while (entry.again && entry.watcher !== undefined) {
        entry.again = false;
        await this.#tell(mountPoint);
        entry.agreed = true;
        if (entry.watcher !== undefined) await sleep(PAUSE_MS, undefined, { ref: false });
      }
    } catch (error) {
      // Later ones can be lost: the guest still looks now and then.
      if (entry.watcher !== undefined && !entry.agreed) failed(error);
    } finally {
      entry.telling = false;
    }
  }

  #stop(entry: Entry): void {
    entry.watcher?.close();
    entry.watcher = undefined;
  }
}
