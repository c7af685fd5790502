/** Removes folders of ours that mounts may once have been in, without ever reaching into what was mounted. */
import { rmSync } from 'node:fs';
import { isMountedBelow, unmountTree } from './mounts.ts';

/**
 * Unmounts all that is on `dir` and below, then removes the folder. Idempotent, and fine in parallel.
 * @throws Error, with the folder left as it is, when something stays mounted: deleting on would delete its content.
 */
export async function removeTree(dir: string): Promise<void> {
  await unmountTree(dir);
  if (isMountedBelow(dir)) throw new Error(`cannot remove ${dir}: something is mounted below it again`);
  rmSync(dir, { recursive: true, force: true });
}
