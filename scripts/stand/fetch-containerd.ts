// The containerd versions to test with: the machine's own and those of Debian's newer suites.
import { existsSync } from 'node:fs';
import { mkdir, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from './command.ts';
import { fetchDebian } from './fetch-debian.ts';
import { go, hasGo, moduleSource } from './go-module.ts';
import { cacheDir } from './paths.ts';

/** Release series newer than Debian's, each with the version that is built from its Go module (a few minutes, once). */
const modules = { '2.3': '2.3.7', '2.4': '2.4.2' } as const;
type ModuleFlavour = keyof typeof modules;

/** Which containerd: the machine's own, that of a Debian suite, or a release series. */
export const containerdFlavours = ['system', 'trixie', 'sid', '2.3', '2.4'] as const;
export type ContainerdFlavour = (typeof containerdFlavours)[number];

export interface ContainerdBinaries {
  /** Folder with `containerd`, `ctr` and the runc shim of that version. They run on Debian 12 and later. */
  readonly binDir: string;
  /** As printed by `containerd --version`, such as 1.7.24. */
  readonly version: string;
}

/** Returns a flavour's binaries; fetches them the first time (about 30 MB). Rejects with apt's own message. */
export async function containerdBinaries(flavour: ContainerdFlavour): Promise<ContainerdBinaries> {
  const binDir = await folderOf(flavour);
  const { stdout } = await mustRun(join(binDir, 'containerd'), ['--version'], { timeoutMs: 10_000 });
  const version = /\s[v]?(\d+\.\d+\.\d+)/.exec(stdout)?.[1];
  if (version === undefined) throw new Error(`cannot read a version from: ${stdout}`);
  return { binDir, version };
}

function folderOf(flavour: ContainerdFlavour): Promise<string> {
  if (flavour === 'system') return Promise.resolve('/usr/bin');
  return flavour === '2.3' || flavour === '2.4' ? buildModule(flavour) : fetchSuite(flavour);
}

const folderOfModule = (flavour: ModuleFlavour): string =>
  join(cacheDir, 'containerd', `module-${modules[flavour]}`);

/** Why containerd cannot be built from its Go module here; undefined when it can. */
export const withoutModule: string | undefined =
  Object.keys(modules).every((one) => existsSync(join(folderOfModule(one as ModuleFlavour), 'ctr'))) ||
  hasGo()
    ? undefined
    : 'GO IS NOT ON THE PATH: NOTHING IS TESTED WITH A CONTAINERD THAT DEBIAN DOES NOT HAVE';

async function buildModule(flavour: ModuleFlavour): Promise<string> {
  const [dir, version] = [folderOfModule(flavour), modules[flavour]];
  if (existsSync(join(dir, 'ctr'))) return dir;
  const module = 'github.com/containerd/containerd/v2';
  await using scratch = await mkdtempDisposable(join(tmpdir(), 'bulkhead-containerd-'));
  const source = join(scratch.path, 'source');
  await mustRun('cp', ['-r', '--no-preserve=mode', await moduleSource(module, `v${version}`), source]);
  const flags = ['-ldflags', `-X ${module}/version.Version=${version}`, '-tags', 'no_btrfs,no_zfs'];
  const commands = ['./cmd/containerd', './cmd/containerd-shim-runc-v2', './cmd/ctr'];
  const built = join(scratch.path, 'bin');
  await go(source, ['build', ...flags, '-o', `${built}/`, ...commands]);
  await mkdir(dirname(dir), { recursive: true });
  await mustRun('mv', [built, dir]);
  return dir;
}

async function fetchSuite(suite: 'trixie' | 'sid'): Promise<string> {
  const packages = ['containerd'];
  const root = await fetchDebian({ name: 'containerd', suite, packages, witness: 'usr/bin/ctr' });
  return join(root, 'usr', 'bin');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const flavour of containerdFlavours) {
    const { binDir, version } = await containerdBinaries(flavour);
    console.log(`${flavour.padEnd(8)} ${version.padEnd(10)} ${binDir}`);
  }
}
