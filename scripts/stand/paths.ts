// Where things are: repository, build output, cache, scratch folders for tests.
import { mkdtemp } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root. */
export const repoRoot = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Where `make build` puts the commands. */
export const buildBin = join(repoRoot, 'build', 'bin');

/** Downloads that outlive a run (other containerd versions); `BULKHEAD_CACHE` names another folder. */
export const cacheDir = process.env.BULKHEAD_CACHE ?? join(homedir(), '.cache', 'bulkhead');

/**
 * A new scratch folder with a short path: unix socket paths are limited to 107 bytes, and containerd nests its folders
 * deeply. The caller removes it.
 */
export function scratchDir(label: string): Promise<string> {
  return mkdtemp(join('/tmp', `bh-${label}-`));
}
