/**
 * The write-ahead record of a sandbox, `<state root>/<namespace>/<sandbox id>/state.json`: what exists outside the
 * shim's memory, written before it is made, so that `delete` and `bulkhead` can undo it when the shim was killed.
 *
 * Mounts need no entry: every mount we make lies below one mount in the sandbox's folder, and goes with it.
 */
import { mkdirSync, readFileSync, realpathSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { messageOf, ShimError } from '../base/errors.ts';
import { mountHelper } from '../config/locate.ts';
import { makeFolders } from '../host/folders.ts';
import { clearFolder } from '../host/mounts.ts';
import type { ProcessRef } from '../host/process.ts';
import type { NetworkRecord } from '../network/taps.ts';

/** A process of the sandbox, found again by pid and start time (a pid alone may have been reused). */
export interface RecordedProcess extends ProcessRef {
  readonly name: string;
}

/** The content of state.json. */
export interface SandboxRecord {
  readonly version: 1;
  readonly namespace: string;
  readonly id: string;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly bundle: string;
  /** Path of the shim's ttrpc socket. */
  readonly socket: string;
  readonly shim: ProcessRef;
  readonly processes: readonly RecordedProcess[];
  /** The cgroup path, relative to the hierarchy's root, of VMM and file system daemon. */
  readonly cgroup?: string;
  /** That of the shim itself and of the helpers that it starts. */
  readonly shimCgroup?: string;
  /** The user that the VMM runs as; absent or 0: root. */
  readonly uid?: number;
  /** What the VM's network cards are connected by. */
  readonly network?: NetworkRecord;
  /** The sandbox's own container was deleted while others ran: the VM ends with the last of them. */
  readonly isOwnDeleted?: boolean;
  /** The size of the VM, for operators. */
  readonly vcpus?: number;
  readonly memoryMib?: number;
}

let root: string | undefined;

/**
 * Root of all sandboxes' folders, without symbolic links: resolved once in each process, because the mount table has none
 * in it, and one that is changed later must not lead to another place.
 */
export function stateRoot(): string {
  root ??= realPath(resolve(process.env.BULKHEAD_STATE || '/run/bulkhead'));
  return root;
}

/** What is not there yet, or cannot be looked at, stays as it is called. */
function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    return path === '/' ? path : join(realPath(dirname(path)), basename(path));
  }
}

/** The folder of one sandbox. */
export function sandboxDir(namespace: string, id: string): string {
  return join(stateRoot(), namespace, id);
}

/** The record of a sandbox that this process owns. */
export class SandboxState {
  readonly dir: string;
  #record: SandboxRecord;

  private constructor(dir: string, record: SandboxRecord) {
    this.dir = dir;
    this.#record = record;
  }

  /**
   * Makes the sandbox's folder and its first record.
   * @throws ShimError when the folder cannot be written or belongs to a sandbox that still exists.
   */
  static create(record: SandboxRecord): SandboxState {
    const dir = sandboxDir(record.namespace, record.id);
    try {
      makeFolders(dirname(dir), 0o700);
      mkdirSync(dir, { mode: 0o700 });
    } catch (error) {
      removeNamespaceDir(dir);
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
        throw new ShimError(
          'already-exists',
          `sandbox ${record.id} already has the folder ${dir}; run its delete first`,
        );
      }
      throw new ShimError(
        'failed-precondition',
        `cannot make the state folder ${dir}: ${messageOf(error)}; the shim must be able to write ${stateRoot()}`,
        { cause: error },
      );
    }
    const state = new SandboxState(dir, record);
    try {
      state.#write();
    } catch (error) {
      for (const name of ['state.json.new', 'state.json']) rmSync(join(dir, name), { force: true });
      rmdirSync(dir);
      removeNamespaceDir(dir);
      throw new ShimError('failed-precondition', `cannot write ${dir}/state.json: ${messageOf(error)}`, {
        cause: error,
      });
    }
    return state;
  }

  get record(): SandboxRecord {
    return this.#record;
  }

  update(change: Partial<SandboxRecord>): void {
    this.#record = { ...this.#record, ...change };
    this.#write();
  }

  /** Written beside and renamed, so a reader never sees half of it. */
  #write(): void {
    const path = join(this.dir, 'state.json');
    writeFileSync(`${path}.new`, `${JSON.stringify(this.#record, null, 2)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }
}

/** Reads a sandbox's record; undefined when there is none, or a half-written or foreign file. */
export function readRecord(dir: string): SandboxRecord | undefined {
  try {
    const record = JSON.parse(readFileSync(join(dir, 'state.json'), 'utf8')) as SandboxRecord;
    const isRecord =
      typeof record.shim.pid === 'number' && Array.isArray(record.processes) && typeof record.id === 'string';
    return isRecord ? record : undefined;
  } catch {
    return undefined;
  }
}

const CLEAR_MS = 4_000;

/** Unmounts everything below a sandbox's folder, then removes what is ours in it and the folder. */
export async function removeSandboxDir(dir: string, timeoutMs = CLEAR_MS): Promise<void> {
  await clearFolder(dir, { helper: mountHelper(), timeoutMs });
  removeNamespaceDir(dir);
}

/** The namespace's folder goes with its last sandbox. */
export function removeNamespaceDir(dir: string): void {
  try {
    rmdirSync(dirname(dir));
  } catch {
    // Others are in it.
  }
}
