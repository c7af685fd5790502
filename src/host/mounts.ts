/**
 * Mounts of the host, made and undone by util-linux: as few processes as possible, read-only that also holds
 * in the daemon's mount namespace, and nothing that leaks back to where a bind mount came from.
 */
import { lstatSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runCommand } from './command.ts';
import {
  type FstabLine,
  formatFstab,
  isBind,
  type MountEntry,
  type MountPlan,
  type MountStep,
  planMounts,
} from './mount-plan.ts';
import { createMountTarget, type TargetKind, targetKindOf } from './mount-target.ts';
import { isWithin, type MountInfo, readMountinfo } from './mountinfo.ts';

export type { MountEntry } from './mount-plan.ts';

export interface MountOptions {
  /** Every target must lie in this folder; it is made there, without following symbolic links. */
  readonly root: string;
  /** An existing folder outside of `root` for short-lived helpers. */
  readonly scratchDir: string;
  /** Makes `root` a shared mount of its own first (once), so that mounts reach the daemon's namespace. */
  readonly share?: boolean;
  /** Path of `bulkhead-mount`, for entries with mapped owners. */
  readonly idMapHelper?: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** A mount that failed: which one and why, in one line. What was mounted before it stays. */
export class MountError extends Error {
  readonly entry: MountEntry | undefined;

  constructor(entry: MountEntry | undefined, reason: string, cause?: unknown) {
    const what = entry
      ? `cannot mount ${entry.type || 'bind'} ${entry.source} on ${entry.target}`
      : 'cannot mount';
    super(`${what}: ${reason}`, cause === undefined ? undefined : { cause });
    this.name = 'MountError';
    this.entry = entry;
  }
}

const DEFAULT_TIMEOUT_MS = 20_000;

// Classic mount(2) calls only: with the newer API option strings are cut at 256 bytes on some kernels, and
// Debian 12 and 13 shall behave the same.
const MOUNT_ENV = { LIBMOUNT_FORCE_MOUNT2: 'always' };

/**
 * Makes all mounts, in order, and their targets.
 * @throws MountError for the first that failed; the caller undoes the rest with `unmountTree`.
 */
export async function mountAll(entries: readonly MountEntry[], options: MountOptions): Promise<void> {
  const share = options.share === true && !isSharedMount(options.root);
  if (entries.length === 0 && !share) return;
  const kinds = entries.map((entry) => prepareTarget(entry, options.root));
  const limits = { timeoutMs: options.timeoutMs ?? DEFAULT_TIMEOUT_MS, signal: options.signal };
  const helperDir = mkdtempSync(join(options.scratchDir, 'mount-'));
  const shareDir = share ? { shareDir: options.root } : {};
  let plan: MountPlan = { steps: [], stages: [] };
  try {
    plan = planMounts(entries, { helperDir, ...shareDir });
    for (const stage of plan.stages) makeStage(stage.path, kinds[stage.entry] ?? 'folder');
    for (const [index, step] of plan.steps.entries()) {
      const fstab = fstabPath(helperDir, index);
      await runStep(step, { ...limits, fstab, helper: options.idMapHelper }, entries);
    }
  } finally {
    await removeHelper(helperDir, plan);
  }
}

function fstabPath(helperDir: string, step: number): string {
  return join(helperDir, `fstab-${step}`);
}

/** Never recursive: a stage that could not be unmounted shows somebody's files. */
async function removeHelper(helperDir: string, plan: MountPlan): Promise<void> {
  if (plan.stages.length > 0) await unmountTree(helperDir);
  for (const stage of plan.stages) removeEmpty(stage.path);
  for (const index of plan.steps.keys()) rmSync(fstabPath(helperDir, index), { force: true });
  rmdirSync(helperDir);
}

function removeEmpty(path: string): void {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) rmdirSync(path);
  else if (stat) unlinkSync(path);
}

function prepareTarget(entry: MountEntry, root: string): TargetKind {
  let kind: TargetKind = 'folder';
  try {
    if (isBind(entry)) kind = targetKindOf(entry.source);
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw new MountError(entry, gone ? 'the source does not exist' : String(error), error);
  }
  try {
    createMountTarget(root, entry.target, kind);
  } catch (error) {
    throw new MountError(entry, (error as Error).message, error);
  }
  return kind;
}

function makeStage(path: string, kind: TargetKind): void {
  if (kind === 'folder') mkdirSync(path);
  else writeFileSync(path, '');
}

interface StepOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly fstab: string;
  readonly helper: string | undefined;
}

/** One `mount` process; a single mount needs no file. */
async function runStep(
  { lines, cwd, idMap }: MountStep,
  options: StepOptions,
  entries: readonly MountEntry[],
): Promise<void> {
  const [only] = lines;
  let argv: [string, ...string[]] = ['mount', '-a', '-T', options.fstab];
  if (idMap !== undefined) {
    const places = lines.flatMap(({ source, target }) => [source, target]);
    argv = [options.helper ?? 'bulkhead-mount', idMap.uids, idMap.gids, ...places];
  } else if (only && lines.length === 1) {
    const flags = only.options === '' ? [] : ['-o', only.options];
    argv = ['mount', '-t', only.type, ...flags, '--', only.source, only.target];
  } else {
    writeFileSync(options.fstab, formatFstab(lines));
  }
  const { timeoutMs, signal } = options;
  const result = await runCommand(argv, { timeoutMs, signal, cwd, env: MOUNT_ENV }).catch(
    (error: unknown) => {
      throw new MountError(
        lines.length === 1 ? entryOf(only, entries) : undefined,
        (error as Error).message,
        error,
      );
    },
  );
  if (result.code !== 0) throw explain(result.stderr, result.code, lines, entries);
}

function entryOf(line: FstabLine | undefined, entries: readonly MountEntry[]): MountEntry | undefined {
  return line?.entry === undefined ? undefined : entries[line.entry];
}

/** Turns what mount(8) says (`mount: TARGET: REASON.`) into an error for the entry it speaks of. */
function explain(
  stderr: string,
  code: number | null,
  lines: readonly FstabLine[],
  entries: readonly MountEntry[],
): MountError {
  for (const text of stderr.split('\n')) {
    const line = lines.find((l) => text.startsWith(`mount: ${l.target}: `));
    if (!line) continue;
    const reason = text.slice(`mount: ${line.target}: `.length).replace(/\.$/, '');
    return new MountError(entryOf(line, entries), reason);
  }
  const [only] = lines;
  const reason = stderr.trim().replace(/\s*\n\s*/g, '; ') || `mount ended with code ${code ?? 'none'}`;
  return new MountError(lines.length === 1 ? entryOf(only, entries) : undefined, reason);
}

function isSharedMount(dir: string): boolean {
  return readMountinfo().some((m) => m.mountPoint === dir && m.shared !== undefined);
}

/** Whether anything is mounted on `dir` or below it. */
export function isMountedBelow(dir: string): boolean {
  return readMountinfo().some((m) => isWithin(dir, m.mountPoint));
}

/** Rounds in which nothing became less; others may mount or unmount at the same time. */
const MAX_IDLE_ROUNDS = 4;

/** Mount points per umount process, well below the limit of an argument list. */
const BATCH = 200;

/**
 * Lazily unmounts all that is on `dir` and below, last mounted first, until nothing is left. Calling it twice
 * or at the same time, or for a folder without mounts (no process is started then), is fine.
 * @throws Error at the limit, naming what is still mounted.
 */
export async function unmountTree(dir: string, options: { timeoutMs?: number } = {}): Promise<void> {
  const end = performance.now() + (options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  let complaint = '';
  let least = Number.POSITIVE_INFINITY;
  for (let idle = 0; idle < MAX_IDLE_ROUNDS; idle++) {
    const table = readMountinfo();
    const below = table.filter((m) => isWithin(dir, m.mountPoint));
    if (below.length === 0) return;
    if (below.length < least) idle = 0;
    least = Math.min(least, below.length);
    const timeoutMs = end - performance.now();
    if (timeoutMs <= 0) break;
    await isolate(below, table, timeoutMs);
    const points = below.reverse().map((m) => m.mountPoint);
    const unique = [...new Set(points)].slice(0, BATCH);
    // Errors decide nothing: what counts is what the next look finds.
    const result = await runCommand(['umount', '-l', '-c', '--', ...unique], { timeoutMs });
    complaint = result.stderr.trim();
  }
  const left = readMountinfo().filter((m) => isWithin(dir, m.mountPoint));
  if (left.length === 0) return;
  const names = left.slice(0, 5).map((m) => m.mountPoint);
  throw new Error(`cannot unmount ${left.length} mounts below ${dir} (${names.join(', ')}): ${complaint}`);
}

/**
 * A bind mount that still is a peer of its source (the shim died between the two steps of staging it) would
 * carry the unmount of its submounts back to the source: cut that tie first.
 */
async function isolate(
  below: readonly MountInfo[],
  table: readonly MountInfo[],
  timeoutMs: number,
): Promise<void> {
  const own = new Set(below);
  const foreign = new Set<number>();
  for (const mount of table) if (mount.shared !== undefined && !own.has(mount)) foreign.add(mount.shared);
  const tied = below.filter((m) => m.shared !== undefined && foreign.has(m.shared)).map((m) => m.mountPoint);
  for (const point of new Set(tied)) {
    const result = await runCommand(['mount', '--make-slave', '--', point], { timeoutMs });
    if (result.code !== 0 && readMountinfo().some((m) => m.mountPoint === point)) {
      throw new Error(`cannot cut ${point} from its source before unmounting: ${result.stderr.trim()}`);
    }
  }
}
