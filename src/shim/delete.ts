/**
 * `delete`: containerd runs it after every lost connection to a shim, even if the shim ended as planned. It removes what
 * the task left on the host and answers with a DeleteResponse. It may run twice, in parallel, and for all containers of a
 * pod at once. It must finish well within containerd's 5 seconds and never waits for a guest.
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

/** The exit status of a task whose shim is gone: killed by signal 9, as runc's shim reports it. */
const KILLED = 137;
/** How long a shim may take to answer from memory. */
const ANSWER_MS = 500;

/** @returns the encoded DeleteResponse for stdout. */
export async function deleteTask(args: ShimArgs, bundle: string): Promise<Uint8Array> {
  const sandboxId = sandboxOf(args.id, bundle);
  const dir = sandboxDir(args.namespace, sandboxId);
  const record = readRecord(dir);
  if (endsSandbox(sandboxId === args.id, record)) {
    const socket = record?.socket ?? socketPath(args.address, args.namespace, sandboxId);
    if ((record === undefined || isAlive(record.shim)) && (await isInUse(socket, args.id))) {
      // With an error containerd keeps the bundle, which belongs to the new sandbox.
      throw new Error(
        `the shim of ${args.namespace}/${sandboxId} is alive and has a connection: this delete is for an earlier sandbox of ` +
          'the same id, and removes nothing',
      );
    }
    if (existsSync(dir)) await reapSandbox(args.namespace, sandboxId);
    else removeNamespaceDir(dir); // in case the shim was killed just before it did this
    await removeDeadSocket(socket);
  }
  const now = Date.now();
  return DeleteResponse.encode({
    exitStatus: KILLED,
    exitedAt: { seconds: BigInt(Math.floor(now / 1000)), nanos: (now % 1000) * 1_000_000 },
  });
}

/**
 * containerd deletes a shim when its connection to the shim is gone. So a shim that has a connection and answers is not
 * the one to delete, but the next one of the same id: a client may reuse the id as soon as its Delete was answered, before
 * this program has run, and it may even run in the new bundle. A shim that hangs is the one to delete, even if it has a
 * connection: containerd gives up a shim that does not answer Connect.
 */
async function isInUse(socket: string, id: string): Promise<boolean> {
  const { connected, waiting } = await peersOf(socket);
  if (connected + waiting === 0 || !(await answers(socket, id))) return false;
  // Connections that waited have been accepted or dropped by now, because a later one was answered.
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
 * The end of a container does not end its pod: only the delete of the sandbox's own container takes the VM down. If that
 * one was deleted while others ran, the shim ends the VM with the last of them; if the shim is dead, the first delete of one of
 * them does.
 */
function endsSandbox(isOwn: boolean, record: SandboxRecord | undefined): boolean {
  if (record?.isOwnDeleted === true) return !isAlive(record.shim);
  return isOwn;
}

/** A bundle that can no longer be read is taken for that of a sandbox with this id. */
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
