// Command lines of the programs that a sandbox of ours runs, for bare copies of them.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { programsOf as findPrograms, type Process } from '../../scripts/stand/processes.ts';
import { JAILED_KERNEL } from '../../src/vm/jail.ts';
import { FD, fdSetPath } from '../../src/vm/qemu/argv.ts';

const guest = join(repoRoot, 'build/share/bulkhead');

export interface Programs {
  readonly qemu: readonly string[];
  readonly files: readonly string[];
}

/**
 * The arguments hold for bare copies, too: the kernel's and the image's paths are those of the host, not of the jail.
 * Throws when one of them is not among the processes.
 */
export function programsOf(processes: readonly Process[], sandboxId: string): Programs {
  const argv = (program: RegExp): string[] => {
    const [found] = findPrograms(processes, program, sandboxId);
    if (found === undefined) throw new Error(`no ${program} of sandbox ${sandboxId}`);
    const words = readFileSync(`/proc/${found.pid}/cmdline`, 'utf8').split('\0').slice(0, -1);
    return words.map(onHost);
  };
  return { qemu: argv(/^\S*qemu-system-\S+ /), files: argv(/^\S*bulkhead-files /) };
}

function onHost(word: string): string {
  if (word === JAILED_KERNEL) return join(guest, 'vmlinux');
  return word.replace(`"${fdSetPath(FD.image)}"`, JSON.stringify(join(guest, 'image')));
}
