/**
 * `delete`: containerd runs it after every lost connection to a shim, a planned end included. It removes what the
 * task left on the host and answers with a DeleteResponse. It may run twice, in parallel, and for a pod's containers
 * all at once; it must end well within containerd's 5 seconds and never waits for a guest.
 */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { DeleteResponse } from '../gen/task.ts';
import { isAlive } from '../host/process.ts';
import { place } from '../sandbox/placement.ts';
import { reapSandbox } from '../sandbox/reap.ts';
import { readRecord, removeNamespaceDir, type SandboxRecord, sandboxDir } from '../sandbox/state.ts';
import { socketPath } from './address.ts';
import type { ShimArgs } from './args.ts';

/** What is reported for a task whose shim is gone: killed by signal 9, now (as runc's shim does). */
const KILLED = 137;

/** @returns the encoded DeleteResponse for stdout. */
export async function deleteTask(args: ShimArgs, bundle: string): Promise<Uint8Array> {
  const sandboxId = sandboxOf(args.id, bundle);
  const dir = sandboxDir(args.namespace, sandboxId);
  if (endsSandbox(sandboxId === args.id, readRecord(dir))) {
    if (existsSync(dir)) await reapSandbox(args.namespace, sandboxId);
    else removeNamespaceDir(dir); // a shim that was killed just before it would have done that
    rmSync(socketPath(args.address, args.namespace, sandboxId), { force: true });
  }
  const now = Date.now();
  return DeleteResponse.encode({
    exitStatus: KILLED,
    exitedAt: { seconds: BigInt(Math.floor(now / 1000)), nanos: (now % 1000) * 1_000_000 },
  });
}

/**
 * The end of a container does not end its pod: only the sandbox's own delete takes the VM down. When that has been while
 * other containers ran, their shim does it; when it is dead, the first delete of one of them.
 */
function endsSandbox(isOwn: boolean, record: SandboxRecord | undefined): boolean {
  if (record?.isOwnDeleted === true) return !isAlive(record.shim);
  return isOwn;
}

/** A bundle that cannot be read any more belongs, for all we know, to a sandbox of that id. */
function sandboxOf(id: string, bundle: string): string {
  try {
    const spec = JSON.parse(readFileSync(join(bundle, 'config.json'), 'utf8')) as {
      annotations?: Record<string, string>;
    };
    const placement = place(id, spec.annotations ?? {});
    return placement.t === 'reject' ? id : placement.sandboxId;
  } catch {
    return id;
  }
}
