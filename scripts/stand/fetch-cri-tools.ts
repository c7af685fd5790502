// critest, which tests that a container manager conforms to CRI, and crictl: built from their Go module into the cache.
import { existsSync } from 'node:fs';
import { mkdir, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from './command.ts';
import { go, moduleSource } from './go-module.ts';
import { cacheDir } from './paths.ts';

export const criToolsVersion = '1.37.0';

/** The folder with `critest` and `crictl`; builds them the first time (a few minutes). */
export async function criTools(): Promise<string> {
  const dir = join(cacheDir, 'cri-tools', criToolsVersion);
  if (existsSync(join(dir, 'crictl'))) return dir;
  const module = 'sigs.k8s.io/cri-tools';
  await using scratch = await mkdtempDisposable(join(tmpdir(), 'bulkhead-cri-tools-'));
  const [source, built] = [join(scratch.path, 'source'), join(scratch.path, 'bin')];
  await mustRun('cp', [
    '-r',
    '--no-preserve=mode',
    await moduleSource(module, `v${criToolsVersion}`),
    source,
  ]);
  await mkdir(built);
  await go(source, ['test', '-c', '-o', join(built, 'critest'), './cmd/critest']);
  const flags = ['-ldflags', `-X ${module}/pkg/version.Version=${criToolsVersion}`];
  await go(source, ['build', ...flags, '-o', join(built, 'crictl'), './cmd/crictl']);
  await mkdir(dirname(dir), { recursive: true });
  await mustRun('mv', [built, dir]);
  return dir;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await criTools());
