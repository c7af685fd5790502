// Builds and runs the Go program of test/conformance/go. Tests are skipped, loudly, where there is no Go.

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Why the tests against Go cannot run; undefined if they can. */
export const withoutGo: string | undefined =
  spawnSync('go', ['version']).status === 0
    ? undefined
    : 'GO IS NOT ON THE PATH: INTEROPERATION WITH GO TTRPC WAS NOT TESTED';
if (withoutGo !== undefined) console.error(`\n*** ${withoutGo} ***\n`);

const folder: string = mkdtempSync(join(tmpdir(), 'ttrpc-peer-'));
process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
let built: Promise<string> | undefined;

/** The path of a socket in the folder of this run. */
export function peerSocket(name: string): string {
  return join(folder, name);
}

/** The path of the Go program, built on first use. */
export function goPeer(): Promise<string> {
  built ??= build();
  return built;
}

async function build(): Promise<string> {
  const binary = join(folder, 'peer');
  await run('go', ['build', '-o', binary, '.'], {
    cwd: join(import.meta.dirname, 'go'),
    timeout: 240_000,
  });
  return binary;
}

/** Runs the Go program to its end; yields what it printed. */
export async function runGoPeer(...args: string[]): Promise<string> {
  const { stdout } = await run(await goPeer(), args, { timeout: 60_000, maxBuffer: 1 << 24 });
  return stdout;
}

/** Starts the Go server on a unix socket; resolves when it listens. */
export async function startGoServer(
  path: string,
): Promise<AsyncDisposable & { readonly process: ChildProcess }> {
  const child = spawn(await goPeer(), ['serve', path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    process: child,
    async [Symbol.asyncDispose]() {
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}
