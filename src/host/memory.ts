// How much memory a process really uses.

import { readFileSync } from 'node:fs';

/** The Pss line of /proc/<pid>/smaps_rollup in KiB; undefined when the text has none. */
export function parsePss(smapsRollup: string): number | undefined {
  const kib = /^Pss:\s+(\d+) kB$/m.exec(smapsRollup)?.[1];
  return kib === undefined ? undefined : Number(kib);
}

/** Proportional set size of a process in KiB; undefined when it has gone or may not be read. */
export function pssKib(pid: number): number | undefined {
  try {
    return parsePss(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
  } catch {
    return undefined;
  }
}
