// Points at which a test stops what a shim does on the host: an installation whose helpers wait, when a test says so, until it
// lets them go. The programs are the built ones; only what starts them is another.
import { closeSync, constants, existsSync, openSync, readFileSync, writeSync } from 'node:fs';
import { chmod, copyFile, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mustRun } from '../../scripts/stand/command.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { waitFor } from '../../scripts/stand/wait.ts';

const build = join(repoRoot, 'build');
/** How the script of each gated helper comes to its request, and goes on with it. */
const HELPERS = {
  'bulkhead-mount': { read: '$(cat)', goOn: (real: string) => `exec ${real} "$@" <<END\n$request\nEND` },
  'bulkhead-jail': { read: '$1', goOn: (real: string) => `exec ${real} "$@"` },
} as const;

/** What stands for the request of a hook. */
export const HOOK = 'the hook';

export class Gate {
  /** The shim of the gated installation. */
  readonly shim: string;
  /** A program that always waits when a hook is what the gate is for. */
  readonly hook: string;
  readonly #dir: string;
  #count = 0;
  #waiting: { readonly dir: string; readonly go: number } | undefined;

  private constructor(dir: string) {
    this.#dir = dir;
    this.shim = join(dir, 'bin/containerd-shim-bulkhead-v2');
    this.hook = join(dir, 'hook');
  }

  /** Makes the installation in a new folder `dir`. */
  static async make(dir: string): Promise<Gate> {
    const gate = new Gate(dir);
    const lib = join(dir, 'lib/bulkhead');
    await mkdir(join(dir, 'bin'), { recursive: true });
    await mkdir(lib, { recursive: true });
    // Copies where a program finds the rest of the installation by its own place.
    await copyFile(join(build, 'bin/containerd-shim-bulkhead-v2'), gate.shim);
    for (const name of ['shim.cjs', 'server.cjs'])
      await copyFile(join(build, 'lib/bulkhead', name), join(lib, name));
    for (const name of ['node', 'bulkhead-files', 'bulkhead-hand-over', 'bulkhead-loopback'])
      await symlink(join(build, 'lib/bulkhead', name), join(lib, name));
    await symlink(join(build, 'share'), join(dir, 'share'));
    for (const [name, { read, goOn }] of Object.entries(HELPERS))
      await gate.#script(join(lib, name), read, goOn(join(build, 'lib/bulkhead', name)));
    await gate.#script(gate.hook, HOOK, 'exit 0');
    return gate;
  }

  async #script(path: string, request: string, goOn: string): Promise<void> {
    const text = `#!/bin/sh
request="${request}"
at=$(readlink ${this.#dir}/armed) || at=
if [ -n "$at" ]; then
  case $request in *"$(cat $at/what)"*)
    if mv ${this.#dir}/armed $at/taken 2>/dev/null; then
      echo $$ >$at/pid.new; mv $at/pid.new $at/pid; read _ <$at/go
    fi
  esac
fi
${goOn}
`;
    await writeFile(path, text);
    await chmod(path, 0o755);
  }

  /** From now on the first helper with that text in its request waits; `HOOK` is the hook. */
  async arm(what: string): Promise<void> {
    await this.disarm();
    const dir = join(this.#dir, `${++this.#count}`);
    await mkdir(dir);
    await writeFile(join(dir, 'what'), what);
    await mustRun('mkfifo', [join(dir, 'go')]);
    this.#waiting = { dir, go: openSync(join(dir, 'go'), constants.O_RDWR | constants.O_NONBLOCK) };
    await symlink(dir, join(this.#dir, 'armed'));
  }

  /** The pid of the helper that has come to the gate. */
  reached(): Promise<number> {
    const file = join(this.#waiting!.dir, 'pid');
    return waitFor('helper at the gate', () => existsSync(file) && Number(readFileSync(file)), 60_000, 2);
  }

  /** Lets the helper go on, or die if its shim has. */
  open(): void {
    if (this.#waiting !== undefined) writeSync(this.#waiting.go, '\n');
  }

  async disarm(): Promise<void> {
    await rm(join(this.#dir, 'armed'), { force: true });
    this.open();
    if (this.#waiting !== undefined) closeSync(this.#waiting.go);
    this.#waiting = undefined;
  }
}
