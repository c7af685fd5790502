// The Rust virtiofsd: the machine's own on Debian 13, on Debian 12 that of Debian 13, kept in the cache.
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { virtiofsdFlavour } from '../../src/vm/virtiofsd.ts';
import { mustRun } from '../support/command.ts';
import { cacheDir } from '../support/paths.ts';

const SYSTEM = '/usr/libexec/virtiofsd';
/** In its packages' own tree, which the daemon's jail shows it. */
const PROGRAM = 'root/usr/libexec/virtiofsd';
const PACKAGES = ['virtiofsd', 'libc6', 'libcap-ng0', 'libseccomp2', 'libgcc-s1'];

/** Path of a Rust virtiofsd that runs here; fetches it the first time (6 MB, and the package lists). */
export async function rustVirtiofsd(): Promise<string> {
  if ((await exists(SYSTEM)) && (await virtiofsdFlavour(SYSTEM)) === 'rust') return SYSTEM;
  const home = join(cacheDir, 'virtiofsd-debian-13');
  const program = join(home, PROGRAM);
  if (await exists(program)) return program;
  const work = `${home}.${process.pid}`;
  await rm(work, { recursive: true, force: true });
  try {
    await fetch(work);
    await useOwnLibrary(join(work, PROGRAM), home);
    await rename(work, home);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return program;
}

/** Debian 12's C library is too old for it, so it runs with the one it was built for. */
async function useOwnLibrary(program: string, home: string): Promise<void> {
  const library = join(home, 'root/usr/lib/x86_64-linux-gnu');
  const loader = join(library, 'ld-linux-x86-64.so.2');
  await mustRun('patchelf', ['--set-interpreter', loader, '--set-rpath', library, program]);
}

async function fetch(work: string): Promise<void> {
  await mkdir(join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(join(work, 'archives', 'partial'), { recursive: true });
  await mkdir(join(work, 'root'));
  const { stdout } = await mustRun('apt-get', ['indextargets', '--format', '$(ORIGIN) $(SITE)']);
  const site = /^Debian (\S+)$/m.exec(stdout)?.[1]?.replace(/-security$/, '');
  if (site === undefined) throw new Error('apt knows no Debian mirror: run apt-get update first');
  await writeFile(join(work, 'sources.list'), `deb ${site} trixie main\n`);
  await writeFile(join(work, 'status'), '');
  const options = [
    `Dir::Etc::sourcelist=${work}/sources.list`,
    'Dir::Etc::sourceparts=/dev/null',
    'Dir::Etc::preferences=/dev/null',
    'Dir::Etc::preferencesparts=/dev/null',
    `Dir::State::lists=${work}/lists`,
    `Dir::State::status=${work}/status`,
    `Dir::Cache=${work}`,
    'APT::Update::Post-Invoke-Success=',
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'Acquire::Retries=3',
  ].flatMap((option) => ['-o', option]);
  await mustRun('apt-get', [...options, 'update'], { timeoutMs: 300_000, cwd: work });
  await mustRun('apt-get', [...options, 'download', ...PACKAGES], { timeoutMs: 300_000, cwd: work });
  for (const name of await readdir(work)) {
    if (name.endsWith('.deb'))
      await mustRun('dpkg-deb', ['-x', name, 'root'], { cwd: work, timeoutMs: 60_000 });
  }
  for (const name of await readdir(work)) {
    if (name !== 'root') await rm(join(work, name), { recursive: true });
  }
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}
