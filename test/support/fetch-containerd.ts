// Brings other containerd versions from Debian's newer suites into the cache, without touching the machine's apt.
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from './command.ts';
import { cacheDir } from './paths.ts';

/** Which containerd: the machine's own, or the one of a Debian suite. */
export const containerdFlavours = ['system', 'trixie', 'sid'] as const;
export type ContainerdFlavour = (typeof containerdFlavours)[number];

export interface ContainerdBinaries {
  /** Folder with `containerd`, `ctr` and the runc shim of that version. They run on Debian 12 and later. */
  readonly binDir: string;
  /** As `containerd --version` says, such as 1.7.24. */
  readonly version: string;
}

/** Gives the binaries of a flavour, fetching them the first time (about 30 MB). Rejects with apt's own words. */
export async function containerdBinaries(flavour: ContainerdFlavour): Promise<ContainerdBinaries> {
  const binDir = flavour === 'system' ? '/usr/bin' : await fetchSuite(flavour);
  const { stdout } = await mustRun(join(binDir, 'containerd'), ['--version'], { timeoutMs: 10_000 });
  const version = /\s[v]?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`cannot read a version from: ${stdout}`);
  return { binDir, version };
}

async function fetchSuite(suite: 'trixie' | 'sid'): Promise<string> {
  const home = join(cacheDir, 'containerd', suite);
  const binDir = join(home, 'root', 'usr', 'bin');
  if (await exists(join(binDir, 'ctr'))) return binDir;
  const work = `${home}.${process.pid}`;
  await rm(work, { recursive: true, force: true });
  await mkdir(join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(join(work, 'archives', 'partial'), { recursive: true });
  await mkdir(join(work, 'root'));
  await writeFile(join(work, 'sources.list'), `deb ${await debianMirror()} ${suite} main\n`);
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
  await mustRun('apt-get', [...options, 'download', 'containerd'], { timeoutMs: 300_000, cwd: work });
  for (const name of await readdir(work)) {
    if (name.endsWith('.deb'))
      await mustRun('dpkg-deb', ['-x', name, 'root'], { cwd: work, timeoutMs: 120_000 });
  }
  for (const name of await readdir(work)) {
    if (name !== 'root') await rm(join(work, name), { recursive: true });
  }
  await rm(home, { recursive: true, force: true });
  await rename(work, home);
  return binDir;
}

/** The mirror that this machine's apt already uses for Debian itself. */
async function debianMirror(): Promise<string> {
  const { stdout } = await mustRun('apt-get', ['indextargets', '--format', '$(ORIGIN) $(SITE)']);
  const site = /^Debian (\S+)$/m.exec(stdout)?.[1];
  if (site === undefined) throw new Error('apt knows no Debian mirror: run apt-get update first');
  return site.replace(/-security$/, '');
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const flavour of containerdFlavours) {
    const { binDir, version } = await containerdBinaries(flavour);
    console.log(`${flavour.padEnd(8)} ${version.padEnd(10)} ${binDir}`);
  }
}
