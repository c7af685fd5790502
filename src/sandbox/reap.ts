/** Undoes what a sandbox has left on the host, for another process than its shim. */
import { rmSync } from 'node:fs';
import { openCgroup } from '../host/cgroup.ts';
import { killRef, type ProcessRef, waitGone } from '../host/process.ts';
import { removeTaps } from '../network/taps.ts';
import { readRecord, removeSandboxDir, sandboxDir } from './state.ts';
import { releaseUser } from './vm-user.ts';

/** Limit for each thing that must end; containerd gives its `delete` call 5 seconds in all. */
const REAP_MS = 1_500;

/**
 * Undoes all that a sandbox left behind, for another process than its shim: the shim, VMM and file system daemon, cgroup, mounts,
 * socket and folder. Works on any half of it, twice and in parallel.
 * @throws Error when something still stands, saying what.
 */
export async function reapSandbox(namespace: string, id: string): Promise<void> {
  const dir = sandboxDir(namespace, id);
  const record = readRecord(dir);
  if (record !== undefined) {
    // The shim first: while it lives it could start what is being removed.
    await end(record.shim);
    // Its helpers next, together with the VM: a mount that hangs must not come true after the mounts were looked at.
    await Promise.all([removeCgroup(record.shimCgroup), removeCgroup(record.cgroup)]);
    await Promise.all(record.processes.map(end));
    if (record.network !== undefined) await removeTaps(record.network);
    if (record.uid !== undefined) releaseUser(record.uid, `${namespace}/${id}`);
    rmSync(record.socket, { force: true });
  }
  await removeSandboxDir(dir);
}

async function removeCgroup(path: string | undefined): Promise<void> {
  if (path === undefined) return;
  const cgroup = openCgroup(path);
  await cgroup.kill({ timeoutMs: REAP_MS });
  await cgroup.remove({ timeoutMs: REAP_MS });
}

async function end(ref: ProcessRef): Promise<void> {
  killRef(ref, 'SIGKILL');
  if (!(await waitGone(ref, { timeoutMs: REAP_MS })))
    throw new Error(`process ${ref.pid} does not end after SIGKILL`);
}
