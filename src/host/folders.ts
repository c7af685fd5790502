/** Creates folders with their parents. Node's recursive mkdir loops forever where mkdir(2) always fails with ENOENT. */
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Creates a folder and its missing parents; one that exists is fine.
 * @throws the errno error of the first that cannot be created.
 */
export function makeFolders(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path) throw error;
    makeFolders(parent, mode);
    mkdirSync(path, { mode });
  }
}
