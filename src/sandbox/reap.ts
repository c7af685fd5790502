/** Undoes what a sandbox has left on the host, for another process than its shim. */
import { join } from 'node:path';
import { messageOf } from '../base/errors.ts';
import { mountHelper } from '../config/locate.ts';
import { openCgroup } from '../host/cgroup.ts';
import { unmountAll } from '../host/mounts.ts';
import { killRef, type ProcessRef, waitGone } from '../host/process.ts';
import { removeDeadSocket } from '../host/socket-peers.ts';
import { removeTaps } from '../network/taps.ts';
import { releaseParents } from './cgroup-parents.ts';
import { readRecord, removeSandboxDir, type SandboxRecord, sandboxDir } from './state.ts';
import { releaseUser } from './vm-user.ts';

/**
 * How long the stages may take, one after the other; what is in one runs side by side. With the half second after which a helper
 * that no signal ends is given up, that is below 4 seconds in all: containerd gives its `delete` call 5.
 */
const SHIM_MS = 600;
const PARTS_MS = 800;
const MOUNTS_MS = 800;

/** What could not be undone, each with its reason. */
class Standing {
  readonly #reasons: string[] = [];

  /** Runs a part; the others do not depend on its success. @returns whether it succeeded */
  async try(part: () => Promise<void> | void): Promise<boolean> {
    try {
      await part();
      return true;
    } catch (error) {
      this.#reasons.push(messageOf(error));
      return false;
    }
  }

  get isEmpty(): boolean {
    return this.#reasons.length === 0;
  }

  toString(): string {
    return this.#reasons.join('; ');
  }
}

/**
 * Undoes all that a sandbox left behind, for another process than its shim: the shim, VMM and file system daemon, cgroups, taps,
 * user, mounts, socket and folder. Works on whatever is left of it, twice and in parallel. Each part is tried, whatever becomes of the
 * others; the record stays as long as something of it stands. A new life of the same id that begins meanwhile is left alone.
 * @param seen only if the record is still the one of that life.
 * @throws Error when something still stands, saying all of it.
 */
export async function reapSandbox(
  namespace: string,
  id: string,
  seen?: { readonly record: SandboxRecord | undefined },
): Promise<void> {
  const dir = sandboxDir(namespace, id);
  const record = readRecord(dir);
  if (seen !== undefined && !isSameLife(seen.record, record)) return;
  const isStill = () => isSameLife(record, readRecord(dir));
  const standing = new Standing();
  if (record !== undefined) {
    // The shim first: while it lives it could start what is being removed.
    await standing.try(() => end('shim', record.shim, SHIM_MS));
    if (!isStill()) return;
    await undoParts(record, standing);
  }
  if (!isStill()) return;
  // The next shim of the same id listens at the same place.
  await standing.try(() => record && removeDeadSocket(record.socket));
  await standing.try(() =>
    standing.isEmpty
      ? removeSandboxDir(dir, MOUNTS_MS)
      : unmountAll(join(dir, 'mounts'), { helper: mountHelper(), timeoutMs: MOUNTS_MS }),
  );
  if (standing.isEmpty) return;
  throw new Error(
    `sandbox ${namespace}/${id} is not gone: ${standing}. What is known of it stays in ${dir}; when the cause is out of the way ` +
      '(a process that no signal ends waits for a disk, a network or a hung mount), "bulkhead gc" removes the rest',
  );
}

async function undoParts(record: SandboxRecord, standing: Standing): Promise<void> {
  const { namespace, id, network, uid, cgroup } = record;
  const processes = record.processes.map((one) => standing.try(() => end(one.name, one, PARTS_MS)));
  const [isVmEnded] = await Promise.all([
    // Helpers of the shim end with the VM: a mount that hangs must not come true after the mounts were looked at.
    standing.try(() => removeCgroup(cgroup)),
    standing.try(() => removeCgroup(record.shimCgroup)),
    standing.try(() => network && removeTaps(network, AbortSignal.timeout(PARTS_MS))),
    ...processes,
  ]);
  const areEnded = (await Promise.all(processes)).every(Boolean);
  if (cgroup !== undefined) releaseParents(cgroup);
  // A user is one VM's alone as long as anything runs as it.
  if (uid !== undefined && isVmEnded && areEnded)
    await standing.try(() => releaseUser(uid, `${namespace}/${id}`));
}

/** Whether a record is still the one that was read before: shims of one id follow each other. */
function isSameLife(before: SandboxRecord | undefined, now: SandboxRecord | undefined): boolean {
  // Without one, whoever removed it has undone the sandbox, or is about to; to do it once more does no harm.
  if (now === undefined) return true;
  const shim = before?.shim;
  return shim !== undefined && now.shim.pid === shim.pid && now.shim.startTime === shim.startTime;
}

async function removeCgroup(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const cgroup = openCgroup(path);
  const end = performance.now() + PARTS_MS;
  await cgroup.kill({ timeoutMs: PARTS_MS });
  await cgroup.remove({ timeoutMs: end - performance.now() });
}

async function end(name: string, ref: ProcessRef, timeoutMs: number): Promise<void> {
  killRef(ref, 'SIGKILL');
  if (!(await waitGone(ref, { timeoutMs })))
    throw new Error(`process ${ref.pid} (${name}) does not end after SIGKILL`);
}
