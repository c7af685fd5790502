// Fetches packages of other Debian suites into the cache, unpacked, without touching the machine's apt.
import { mkdir, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from './command.ts';
import { cacheDir } from './paths.ts';

/** An entry of the cache: packages of one suite, unpacked into one root. */
export interface DebianPackages {
  /** Folder in the cache, such as `containerd`. */
  readonly name: string;
  readonly suite: string;
  readonly packages: readonly string[];
  /** A file below the root that exists once everything does. */
  readonly witness: string;
}

/** Returns the root folder of the unpacked packages; fetches them the first time. Rejects with apt's own message. */
export async function fetchDebian({ name, suite, packages, witness }: DebianPackages): Promise<string> {
  const home = join(cacheDir, name, suite);
  const root = join(home, 'root');
  if (await exists(join(root, witness))) return root;
  const work = `${home}.${process.pid}`;
  await rm(work, { recursive: true, force: true });
  await mkdir(join(work, 'lists', 'partial'), { recursive: true });
  await mkdir(join(work, 'archives', 'partial'), { recursive: true });
  await mkdir(join(work, 'root'));
  await writeFile(join(work, 'sources.list'), `deb ${await debianMirror()} ${suite} main\n`);
  await writeFile(join(work, 'status'), '');
  const options = aptOptions(work);
  await mustRun('apt-get', [...options, 'update'], { timeoutMs: 300_000, cwd: work });
  await mustRun('apt-get', [...options, 'download', ...packages], { timeoutMs: 300_000, cwd: work });
  for (const file of await readdir(work)) {
    if (file.endsWith('.deb'))
      await mustRun('dpkg-deb', ['-x', file, 'root'], { cwd: work, timeoutMs: 120_000 });
  }
  for (const file of await readdir(work)) {
    if (file !== 'root') await rm(join(work, file), { recursive: true });
  }
  await rm(home, { recursive: true, force: true });
  await rename(work, home);
  if (!(await exists(join(root, witness))))
    throw new Error(`${packages.join(' ')} of ${suite}: no ${witness}`);
  return root;
}

function aptOptions(work: string): string[] {
  return [
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
    // An outdated mirror is good enough for a test.
    'Acquire::Check-Valid-Until=false',
    'Acquire::Retries=3',
  ].flatMap((option) => ['-o', option]);
}

/** The mirror that this machine's apt already uses for Debian itself. */
export async function debianMirror(): Promise<string> {
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
