// Reads /proc: which processes belong to a test, by an inherited environment variable or by the paths they use.
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

export interface Process {
  readonly pid: number;
  readonly ppid: number;
  /** One letter as in /proc/PID/stat; zombies (Z) hold nothing but their pid. */
  readonly state: string;
  readonly name: string;
  readonly command: string;
}

/** Environment variable whose value marks every process that a test's containerd starts. */
export const markVariable = 'BULKHEAD_TEST';

/**
 * The live processes that have the mark or name `dir` in their arguments or working directory, and their children: the
 * second finds those with a scrubbed environment, the third those in a jail. Zombies are left out.
 */
export function markedProcesses(mark: string, dir: string): Process[] {
  const found: Process[] = [];
  const wanted = `${markVariable}=${mark}`;
  const living = pids()
    .flatMap((pid) => readProcess(pid) ?? [])
    .filter((one) => one.state !== 'Z');
  for (const process_ of living) {
    const { pid } = process_;
    const environment = read(`/proc/${pid}/environ`).split('\0');
    if (
      environment.includes(wanted) ||
      process_.command.includes(dir) ||
      link(`/proc/${pid}/cwd`).startsWith(dir)
    ) {
      found.push(process_);
    }
  }
  for (const parent of found) {
    if (parent.pid === process.pid) continue;
    found.push(...living.filter((one) => one.ppid === parent.pid && !found.includes(one)));
  }
  return found.filter((one) => one.pid !== process.pid);
}

/**
 * The processes of a program that belong to a container: in its jail, a program's arguments need not name the
 * container, but its launcher's do.
 */
export function programsOf(processes: readonly Process[], program: RegExp, id: string): Process[] {
  const names = (pid: number) => processes.some((one) => one.pid === pid && one.command.includes(id));
  return processes.filter(({ command, pid, ppid }) => program.test(command) && (names(pid) || names(ppid)));
}

/** One process; undefined when it is gone. */
export function readProcess(pid: number): Process | undefined {
  const stat = read(`/proc/${pid}/stat`);
  const end = stat.lastIndexOf(')');
  if (end < 0) return undefined;
  const fields = stat.slice(end + 2).split(' ');
  const name = stat.slice(stat.indexOf('(') + 1, end);
  const command = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trim();
  return { pid, ppid: Number(fields[1]), state: fields[0] ?? '?', name, command };
}

/** True while the process exists and is not a zombie. */
export function isRunning(pid: number): boolean {
  const state = readProcess(pid)?.state;
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** The process and all its current descendants, parents first. */
export function processTree(root: number): Process[] {
  const all = pids().flatMap((pid) => readProcess(pid) ?? []);
  const tree = all.filter((one) => one.pid === root);
  for (const parent of tree) tree.push(...all.filter((one) => one.ppid === parent.pid));
  return tree;
}

/** The targets of the process's descriptors, by number. Empty when it is gone. */
export function openFiles(pid: number): Map<number, string> {
  const files = new Map<number, string>();
  for (const fd of entries(`/proc/${pid}/fd`)) {
    const target = link(`/proc/${pid}/fd/${fd}`);
    if (target !== '') files.set(Number(fd), target);
  }
  return files;
}

/** Memory of one process from smaps_rollup, in KiB. */
export function memoryKib(pid: number): { rss: number; pss: number; privateDirty: number } {
  const text = read(`/proc/${pid}/smaps_rollup`);
  const field = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN);
  return { rss: field('Rss'), pss: field('Pss'), privateDirty: field('Private_Dirty') };
}

function pids(): number[] {
  return entries('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

function entries(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
