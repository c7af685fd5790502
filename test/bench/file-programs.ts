// What the measured sides have in their roots besides busybox: an archive, a loop of fsync, and git and sqlite3 of this host.
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { packTar, type TarEntry } from '../../scripts/stand/tar.ts';
import { findInPath } from '../../src/config/locate.ts';

/** In memory on every side, below /run. */
export const TREE = 'tree.tar';
export const REPOSITORY = 'repository.git';
export const INSERTS = 'inserts.sql';
/** Where a root has them. */
const DATA = 'bench';
/**
 * Puts them there, with a program that is compressed. Programs run from there, too: under TCG pages of a program that a guest
 * drops with its cache are slow to fill with something else, and what is read next would pay for it.
 */
export const COPY_DATA = `cp -r /${DATA}/* /bin/busybox /run`;

export const SYNC_LOOP = 'sync-loop';

const FILES_PER_FOLDER = 50;

/** Fills a folder that every root gets a copy of. */
export async function makeExtras(
  dir: string,
  size: { tree: number; files: number; inserts: number },
): Promise<void> {
  const data = join(dir, DATA);
  for (const folder of ['bin', DATA]) mkdirSync(join(dir, folder), { recursive: true });
  const loop = join(repoRoot, 'test/bench/sync-loop.c');
  await mustRun('cc', ['-static', '-O1', '-o', join(dir, 'bin', SYNC_LOOP), loop]);
  writeFileSync(join(data, TREE), treeArchive(size.tree));
  const inserts = Array.from({ length: size.inserts }, (_, i) => `insert into t values(${i}, 'some text');`);
  writeFileSync(join(data, INSERTS), ['create table t(number, text);', ...inserts].join('\n'));
  for (const name of ['git', 'sqlite3']) await copyProgram(name, dir);
  // Those that fetch start it by this name.
  symlinkSync('git', join(dir, 'bin/git-upload-pack'));
  await makeRepository(join(data, REPOSITORY), size.files);
}

/** With the libraries that it needs; links lead to what is in memory. Throws when the host does not have it. */
async function copyProgram(name: string, root: string): Promise<void> {
  const program = findInPath(name);
  if (program === undefined) throw new Error(`no ${name} on this host: apt-get install git sqlite3`);
  const { stdout } = await mustRun('ldd', [program]);
  const libraries = [...stdout.matchAll(/(?<=\s)\/\S+/g)].map(([path]) => path);
  for (const [path, link] of [[program, `/bin/${name}`], ...libraries.map((path) => [path, path])] as const) {
    copyFileSync(path!, join(root, DATA, basename(path!)));
    mkdirSync(dirname(join(root, link!)), { recursive: true });
    rmSync(join(root, link!), { force: true });
    symlinkSync(`/run/${basename(path!)}`, join(root, link!));
  }
}

/** A bare repository of one commit. */
async function makeRepository(at: string, files: number): Promise<void> {
  const work = `${at}.work`;
  mkdirSync(work);
  writeFileSync(`${at}.tar`, treeArchive(files));
  const identity = ['-c', 'user.name=bench', '-c', 'user.email=bench@localhost'];
  await mustRun('tar', ['-x', '-f', `${at}.tar`, '-C', work]);
  await mustRun('git', ['init', '-q', work]);
  await mustRun('git', ['-C', work, 'add', '.']);
  await mustRun('git', ['-C', work, ...identity, 'commit', '-q', '-m', 'tree']);
  await mustRun('git', ['clone', '-q', '--bare', work, at]);
  await mustRun('rm', ['-r', work, `${at}.tar`]);
}

/** An archive of folders with small files of 0.1 to 4 KiB. */
function treeArchive(files: number): Buffer {
  const entries: TarEntry[] = [{ path: 'tree', type: 'dir', mode: 0o755 }];
  for (let i = 0; i < files; i++) {
    const folder = `tree/${Math.floor(i / FILES_PER_FOLDER)}`;
    if (i % FILES_PER_FOLDER === 0) entries.push({ path: folder, type: 'dir', mode: 0o755 });
    const data = Buffer.alloc(100 + ((i * 997) % 4_000), 'text ');
    entries.push({ path: `${folder}/file-${i}`, type: 'file', mode: 0o644, data });
  }
  return packTar(entries);
}
