// Programs of others that test a file system, and our own probe: built once, static, so that they run in any container.
import { createHash } from 'node:crypto';
import { access, mkdir, readdir, readFile, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import { fetchDebian } from '../../scripts/stand/fetch-debian.ts';
import { cacheDir, repoRoot } from '../../scripts/stand/paths.ts';

const crates = { pjdfstest: '0.2.2', fsx: '0.3.2' } as const;
type Crate = keyof typeof crates;

const BUILD_MS = 600_000;

/** What `buildPrograms` gives: path of each on the host. */
export type Programs = Readonly<Record<Crate | 'probe', string>>;

/** Builds what is not in the cache yet; the crates take a minute the first time. */
export async function buildPrograms(): Promise<Programs> {
  const [probe, pjdfstest, fsx] = [
    await buildProbe(),
    await buildCrate('pjdfstest'),
    await buildCrate('fsx'),
  ];
  return { probe, pjdfstest, fsx };
}

/** Debian's stress-ng with its libraries, unpacked: a folder that a container runs it from. */
export function fetchStressNg(): Promise<string> {
  const packages =
    'stress-ng libapparmor1 libattr1 libacl1 libbsd0 libmd0 libc6 libcrypt1 libdrm2 libegl1 libexpat1 libffi8 libgbm1 libgcc-s1 ' +
    'libgles2 libglvnd0 libipsec-mb1 libjpeg62-turbo libjudydebian1 libkmod2 liblzma5 libsctp1 libssl3 libwayland-server0 ' +
    'libxxhash0 libzstd1 zlib1g';
  const witness = 'usr/bin/stress-ng';
  return fetchDebian({ name: 'stress-ng', suite: 'bookworm', packages: packages.split(' '), witness });
}

async function buildCrate(name: Crate): Promise<string> {
  const version = crates[name];
  const root = join(cacheDir, 'posix', `${name}-${version}`);
  const program = join(root, 'bin', name);
  if (await exists(program)) return program;
  const { stdout } = await mustRun('rustc', ['-vV'], { env: cargoEnv });
  const target = /^host: (.+)$/m.exec(stdout)?.[1] ?? '';
  const words = [
    'install',
    '--quiet',
    '--locked',
    '--target',
    target,
    '--root',
    root,
    '--version',
    version,
    name,
  ];
  // With a target the flags do not reach build scripts and macros, which cannot be static.
  await mustRun('cargo', words, {
    timeoutMs: BUILD_MS,
    env: { ...cargoEnv, RUSTFLAGS: '-C target-feature=+crt-static' },
  });
  return program;
}

async function buildProbe(): Promise<string> {
  const dir = join(repoRoot, 'test/posix/probe');
  const hash = createHash('sha256');
  for (const name of (await readdir(dir)).sort()) hash.update(await readFile(join(dir, name)));
  const program = join(cacheDir, 'posix', `probe-${hash.digest('hex').slice(0, 16)}`);
  if (await exists(program)) return program;
  await mkdir(join(cacheDir, 'posix'), { recursive: true });
  const draft = `${program}.${process.pid}`;
  const sources = ['probe.c', 'owners.c'].map((name) => join(dir, name));
  await mustRun('cc', ['-static', '-O1', '-o', draft, ...sources]);
  await rename(draft, program);
  return program;
}

const cargoEnv = {
  ...process.env,
  PATH: [process.env.PATH, join(homedir(), '.cargo/bin')].join(delimiter),
  CARGO_TARGET_DIR: join(repoRoot, 'build/cargo-posix'),
};

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
