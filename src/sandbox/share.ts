/**
 * The folder of the host that virtiofsd exports to the guest, and what of it is mounted for each container:
 * `<sandbox dir>/shared/<container id>/{rootfs,mounts/<n>-<name>}`. Mounts made while the VM runs reach the daemon,
 * because the folder is a shared mount.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type MountEntry, mountAll } from '../host/mounts.ts';
import { removeTree } from '../host/remove-tree.ts';

/** Where the guest mounts the share (a fixed path of the agent protocol). */
export const GUEST_SHARE = '/run/kata-containers/shared/containers';

export class Share {
  readonly dir: string;
  readonly #sandboxDir: string;

  private constructor(sandboxDir: string) {
    this.#sandboxDir = sandboxDir;
    this.dir = join(sandboxDir, 'shared');
  }

  static async create(sandboxDir: string): Promise<Share> {
    const share = new Share(sandboxDir);
    mkdirSync(share.dir, { mode: 0o755 });
    await share.#mount([]);
    return share;
  }

  /** A path of a container, as the host and as the guest sees it. */
  path(containerId: string, name: string): { readonly host: string; readonly guest: string } {
    return { host: join(this.dir, containerId, name), guest: `${GUEST_SHARE}/${containerId}/${name}` };
  }

  /** Mounts what a container needs. @throws MountError; `removeContainer` undoes what was mounted. */
  addContainer(mounts: readonly MountEntry[]): Promise<void> {
    return this.#mount(mounts);
  }

  /** Idempotent; also after the whole share is gone. */
  removeContainer(containerId: string): Promise<void> {
    return removeTree(join(this.dir, containerId));
  }

  #mount(mounts: readonly MountEntry[]): Promise<void> {
    return mountAll(mounts, { root: this.dir, scratchDir: this.#sandboxDir, share: true });
  }
}
