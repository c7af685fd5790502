/** Processes: an identity that survives pid reuse, signals, and the environment of children. */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** A process, identified by pid and start time (clock ticks since boot), which together are never reused. */
export interface ProcessRef {
  readonly pid: number;
  readonly startTime: string;
}

export interface ProcessStat {
  /** One letter as in proc(5): R, S, D, Z, T, X, ... */
  readonly state: string;
  readonly ppid: number;
  readonly startTime: string;
}

/** Parses `/proc/<pid>/stat`; the command name may contain spaces and parentheses. */
export function parseProcessStat(text: string): ProcessStat | undefined {
  const end = text.lastIndexOf(')');
  if (end < 0) return undefined;
  const fields = text.slice(end + 2).split(' ');
  const [state, ppid] = fields;
  const startTime = fields[19];
  if (!state || !ppid || !startTime || !/^\d+$/.test(startTime)) return undefined;
  return { state, ppid: Number(ppid), startTime };
}

function readStat(pid: number): ProcessStat | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  try {
    return parseProcessStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined; // ENOENT, or ESRCH when it exits during the read
  }
}

/** The identity of the process with this pid, zombies included; undefined when there is none. */
export function processRef(pid: number): ProcessRef | undefined {
  const stat = readStat(pid);
  return stat && { pid, startTime: stat.startTime };
}

/** The pid of a process's parent; undefined when the process is gone. */
export function parentPid(pid: number): number | undefined {
  return readStat(pid)?.ppid;
}

/** Whether that very process is running; a zombie is not. */
export function isAlive(ref: ProcessRef): boolean {
  const stat = readStat(ref.pid);
  return stat !== undefined && stat.startTime === ref.startTime && stat.state !== 'Z' && stat.state !== 'X';
}

/** Sends a signal if that very process is still running. Returns whether it was sent. @throws the error EPERM. */
export function killRef(ref: ProcessRef, signal: NodeJS.Signals = 'SIGKILL'): boolean {
  if (!isAlive(ref)) return false;
  try {
    process.kill(ref.pid, signal);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}

/**
 * The thread id, in our pid namespace, of a thread that is in another; undefined when there is none.
 * @param pid its process, in our pid namespace.
 * @param number the thread's id in its own pid namespace.
 */
export function hostThread(pid: number, number: number): number | undefined {
  return threadsOf(pid).find((thread) => {
    const numbers = /^NSpid:\s+(.*)$/m.exec(statusOf(pid, thread))?.[1];
    return Number(numbers?.split('\t').at(-1)) === number;
  });
}

function threadsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number);
  } catch {
    return []; // the process is gone
  }
}

/** Threads come and go while they are looked at. */
function statusOf(pid: number, thread: number): string {
  try {
    return readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8');
  } catch {
    return '';
  }
}

/**
 * Waits until a process, which need not be our child, is gone. Node has no pidfd to get an event from, so this polls in
 * growing steps of 1 to 20 ms. Returns false on timeout.
 */
export async function waitGone(ref: ProcessRef, limits: { timeoutMs: number }): Promise<boolean> {
  const end = performance.now() + limits.timeoutMs;
  for (let step = 1; isAlive(ref); step = Math.min(step * 2, 20)) {
    if (performance.now() >= end) return false;
    await sleep(step);
  }
  return true;
}

/** The environment of every child: nothing of ours (NODE_*, containerd's, credentials) is passed on. */
export function childEnv(): Record<string, string> {
  const path = process.env.PATH || '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  return { PATH: path, LC_ALL: 'C' };
}
