/**
 * `delete`: containerd runs it after every lost connection to a shim, a planned end included. It removes what the
 * task left on the host and answers with a DeleteResponse. It may run twice, in parallel, and for a pod's containers
 * all at once; it must end well within containerd's 5 seconds and never waits for a guest.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, createClient } from 'ttrpc-ts';
import { DeleteResponse, TaskV2 } from '../gen/task.ts';
import { isAlive } from '../host/process.ts';
import { peersOf, removeDeadSocket } from '../host/socket-peers.ts';
import { place } from '../sandbox/placement.ts';
import { reapSandbox } from '../sandbox/reap.ts';
import { readRecord, removeNamespaceDir, type SandboxRecord, sandboxDir } from '../sandbox/state.ts';
import { socketPath } from './address.ts';
import type { ShimArgs } from './args.ts';

/** What is reported for a task whose shim is gone: killed by signal 9, now (as runc's shim does). */
const KILLED = 137;
/** How long a shim may take for an answer from memory. */
const ANSWER_MS = 500;

/** @returns the encoded DeleteResponse for stdout. */
export async function deleteTask(args: ShimArgs, bundle: string): Promise<Uint8Array> {
  const sandboxId = sandboxOf(args.id, bundle);
  const dir = sandboxDir(args.namespace, sandboxId);
  const record = readRecord(dir);
  if (endsSandbox(sandboxId === args.id, record)) {
    const socket = record?.socket ?? socketPath(args.address, args.namespace, sandboxId);
    if ((record === undefined || isAlive(record.shim)) && (await isInUse(socket, args.id))) {
      // An error, so that containerd keeps the bundle, which is the new life's.
      throw new Error(
        `the shim of ${args.namespace}/${sandboxId} lives and has a connection: this delete is of a former life of the same id, ` +
          'and removes nothing',
      );
    }
    if (existsSync(dir)) await reapSandbox(args.namespace, sandboxId);
    else removeNamespaceDir(dir); // a shim that was killed just before it would have done that
    await removeDeadSocket(socket);
  }
  const now = Date.now();
  return DeleteResponse.encode({
    exitStatus: KILLED,
    exitedAt: { seconds: BigInt(Math.floor(now / 1000)), nanos: (now % 1000) * 1_000_000 },
  });
}

/**
 * containerd deletes a shim when its connection to it is gone. So a shim that somebody is connected to, and that
 * answers, is not the one that is meant, but the next one of the same id: a client may use the id again as soon as its Delete was answered, while
 * this program is still to run, in the new bundle even. One that hangs is meant, whoever is connected: containerd gives a
 * shim up that does not answer its Connect.
 */
async function isInUse(socket: string, id: string): Promise<boolean> {
  const { connected, waiting } = await peersOf(socket);
  if (connected + waiting === 0 || !(await answers(socket, id))) return false;
  // What waited is accepted, or known to be gone, when one that came later was answered.
  return (await peersOf(socket)).connected > 0;
}

async function answers(socket: string, id: string): Promise<boolean> {
  const signal = AbortSignal.timeout(ANSWER_MS);
  try {
    const connection = await connect({ path: socket }, { signal });
    await createClient(TaskV2, connection).connect({ id }, { signal });
    connection.close();
    return true;
  } catch {
    return false;
  }
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
