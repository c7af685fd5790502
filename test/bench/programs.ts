// Command lines of the programs that a sandbox of ours runs, for bare copies of them.
import { readFileSync } from 'node:fs';
import type { Process } from '../support/processes.ts';

export interface Programs {
  readonly qemu: readonly string[];
  readonly virtiofsd: readonly string[];
}

/** Throws when one of them is not among the processes. */
export function programsOf(processes: readonly Process[], sandboxId: string): Programs {
  const argv = (program: RegExp): string[] => {
    const found = processes.find(({ command }) => program.test(command) && command.includes(sandboxId));
    if (found === undefined) throw new Error(`no ${program} of sandbox ${sandboxId}`);
    return readFileSync(`/proc/${found.pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
  };
  return { qemu: argv(/^\S*qemu-system-\S+ /), virtiofsd: argv(/^\S*virtiofsd /) };
}
