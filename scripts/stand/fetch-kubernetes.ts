// All of Kubernetes, from etcd to kubectl, built from its Go module into the cache: one binary, with a link per
// program.
import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtempDisposable, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { mustRun } from './command.ts';
import { go, moduleSource } from './go-module.ts';
import { cacheDir, repoRoot } from './paths.ts';

/** The version to build; `BULKHEAD_TEST_KUBERNETES` names another. */
export const kubernetesVersion = process.env.BULKHEAD_TEST_KUBERNETES ?? '1.35.4';

const programs = [
  'etcd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kubectl',
];

/** The folder with a version's programs; builds them the first time (25 minutes on two cores). */
export async function kubernetesBinaries(version = kubernetesVersion): Promise<string> {
  const dir = join(cacheDir, 'kubernetes', version);
  if (existsSync(join(dir, 'kubectl'))) return dir;
  await using scratch = await mkdtempDisposable(join(tmpdir(), 'bulkhead-kubernetes-'));
  const source = await moduleSource('k8s.io/kubernetes', `v${version}`);
  await writeFile(
    join(scratch.path, 'go.mod'),
    goMod(await readFile(join(source, 'go.mod'), 'utf8'), version),
  );
  await copyFile(join(repoRoot, 'test', 'kubernetes', 'kube', 'main.go'), join(scratch.path, 'main.go'));
  const built = join(scratch.path, 'bin');
  await mkdir(built);
  await go(scratch.path, [
    'build',
    '-trimpath',
    '-ldflags',
    linkFlags(version),
    '-o',
    join(built, 'kube'),
    '.',
  ]);
  for (const name of programs) await symlink('kube', join(built, name));
  await mkdir(dirname(dir), { recursive: true });
  await rm(dir, { recursive: true, force: true });
  await mustRun('mv', [built, dir]);
  return dir;
}

/**
 * The go.mod of a main package, with Kubernetes' own requirements at the same versions. Kubernetes takes its own parts
 * (`k8s.io/api` and so on) from folders that are not in its module; they are also published as modules, 0.x for each
 * 1.x.
 */
export function goMod(ofKubernetes: string, version: string): string {
  const lines = ofKubernetes.split('\n').map((line) => {
    const staged = /^\s+(\S+) => \.\/staging\//.exec(line)?.[1];
    return staged === undefined ? line : `\t${staged} => ${staged} v${version.replace(/^1\./, '0.')}`;
  });
  const module = lines.findIndex((line) => line.startsWith('module '));
  lines[module] = `module bulkhead.test/kube\n\nrequire k8s.io/kubernetes v${version}`;
  return lines.join('\n');
}

/** The programs compare their versions with each other's, so these must be set. */
function linkFlags(version: string): string {
  const [major, minor] = version.split('.');
  const facts = [`gitVersion=v${version}`, `gitMajor=${major}`, `gitMinor=${minor}`];
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  return ['-s -w', ...packages.flatMap((name) => facts.map((fact) => `-X ${name}.${fact}`))].join(' ');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await kubernetesBinaries());
