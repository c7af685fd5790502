// The containerd versions to test with: the machine's own and those of Debian's newer suites.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from './command.ts';
import { fetchDebian } from './fetch-debian.ts';

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
