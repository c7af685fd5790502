/** How likely the OOM killer is to pick a process: `/proc/<pid>/oom_score_adj`, -1000 (never) to 1000. */
import { readFileSync, writeFileSync } from 'node:fs';

const MAX = 1000;

/** Sets the value; returns why the kernel refused it, undefined when it did not. Lowering it takes CAP_SYS_RESOURCE. */
export function setOomScore(pid: number, score: number): string | undefined {
  const value = Math.max(-MAX, Math.min(MAX, Math.trunc(score)));
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, String(value), { flag: 'r+' });
    return undefined;
  } catch (error) {
    return `oom_score_adj of process ${pid} stays as it is, not ${value}: ${(error as Error).message}`;
  }
}

/**
 * Like runc's shim: the OOM killer takes a shim just before the container manager that started it.
 * @param parent the container manager's pid.
 */
export function setShimOomScore(shim: number, parent: number): void {
  const score = readScore(parent);
  if (score !== undefined) setOomScore(shim, score + 1);
}

function readScore(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'utf8'));
  } catch {
    return undefined; // it has exited, or /proc hides it
  }
}
