// A folder of the host on a file system that stops answering when a test says so (hung-fs.c).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, run } from '../../scripts/stand/command.ts';
import { within } from '../../scripts/stand/wait.ts';

export class HungVolume {
  readonly path: string;
  readonly #child: ChildProcess;

  private constructor(path: string, child: ChildProcess) {
    this.path = path;
    this.#child = child;
  }

  /** Mounts it below `dir`; it answers for now, and has a file `file` with the line `data`. Needs gcc and FUSE. */
  static async mount(dir: string): Promise<HungVolume> {
    const program = join(dir, 'hung-fs');
    const source = join(import.meta.dirname, 'hung-fs.c');
    await mustRun('gcc', ['-O2', '-Wall', '-Werror', '-o', program, source]);
    const path = mkdtempSync(join(dir, 'hung-'));
    const child = spawn(program, [path], { stdio: ['ignore', 'pipe', 'inherit'] });
    const volume = new HungVolume(path, child);
    await volume.#says('ready');
    return volume;
  }

  /** From now on nothing that asks it gets an answer. */
  async hang(): Promise<void> {
    const hung = this.#says('hung');
    this.#child.kill('SIGUSR1');
    await hung;
  }

  /** Aborts what waits, and unmounts. */
  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await run('umount', ['--lazy', this.path]);
  }

  async #says(word: string): Promise<void> {
    const [line] = (await within(`"${word}" of hung-fs`, 5_000, once(this.#child.stdout!, 'data'))) as [
      Buffer,
    ];
    if (line.toString().trim() !== word) throw new Error(`hung-fs says ${line}`);
  }
}
