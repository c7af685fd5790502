// A Debian root file system with packages, made once and kept in the cache.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import { debianMirror } from '../../scripts/stand/fetch-debian.ts';
import { unmountBelow } from '../../scripts/stand/mounts.ts';
import { cacheDir } from '../../scripts/stand/paths.ts';

/** Where Debian's programs are tested, whatever the machine runs. */
const SUITE = 'trixie';

/** What the sample in `make test` needs; `make test-programs` has a root of its own. */
export const SAMPLE_PACKAGES = ['git', 'python3', 'acl', 'attr', 'ca-certificates'];

/**
 * Gives the folder of a root file system, which nobody may change (an overlay's lower folder). debootstrap makes it, in about a
 * minute and more for many packages; later runs find it by its list of packages.
 */
export async function debianRoot(name: string, packages: readonly string[]): Promise<string> {
  const list = packages.join(',');
  const key = createHash('sha256').update(`${SUITE} ${list}`).digest('hex').slice(0, 16);
  const root = join(cacheDir, `debian-${name}-${key}`);
  if (existsSync(root)) return root;
  const work = `${root}.${process.pid}`;
  try {
    await mkdir(work, { recursive: true });
    const words = ['--variant=minbase', `--include=${list}`, SUITE, work, await debianMirror()];
    await mustRun('debootstrap', words, { timeoutMs: 600_000 });
    await rm(join(work, 'var/cache/apt/archives'), { recursive: true });
    await mkdir(join(work, 'var/cache/apt/archives/partial'), { recursive: true });
    await rename(work, root).catch((error: unknown) => {
      if (!existsSync(root)) throw error; // else another run was quicker
    });
  } finally {
    // What debootstrap has mounted there, if it was ended.
    await unmountBelow(work);
    await rm(work, { recursive: true, force: true });
  }
  return root;
}
