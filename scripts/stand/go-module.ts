// Builds what Debian does not have from Go modules.
import { spawnSync } from 'node:child_process';
import { mustRun } from './command.ts';

/** A first build of Kubernetes takes half an hour on two cores. */
const limits = { timeoutMs: 7_200_000 };

/** Whether there is a Go compiler on the PATH. */
export function hasGo(): boolean {
  return spawnSync('go', ['version']).status === 0;
}

/** The read-only folder with a module's source (`k8s.io/kubernetes` at `v1.35.4`); downloads it the first time. */
export async function moduleSource(module: string, version: string): Promise<string> {
  const { stdout } = await go('/', ['mod', 'download', '-json', `${module}@${version}`]);
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}

/** Runs go in a module's folder, which it may change (go.sum), at the lowest CPU priority. */
export function go(cwd: string, args: readonly string[]): ReturnType<typeof mustRun> {
  const env = { ...process.env, GOFLAGS: '-mod=mod -buildvcs=false', CGO_ENABLED: '0' };
  return mustRun('nice', ['-n', '19', 'go', ...args], { ...limits, cwd, env });
}
