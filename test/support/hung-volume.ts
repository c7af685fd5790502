// A folder of the host on a file system that stops answering when a test says so (hung-fs.c).
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { mustRun, run } from '../../scripts/stand/command.ts';
import { readProcess } from '../../scripts/stand/processes.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';

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
    await within('mount of hung-fs', 5_000, once(child.stdout!, 'data'));
    return volume;
  }

  /** From now on nothing that asks it gets an answer. */
  async hang(): Promise<void> {
    this.#child.kill('SIGSTOP');
    await waitFor('stopped server', () => readProcess(this.#child.pid!)?.state === 'T');
  }

  /** It answers again. */
  wake(): void {
    this.#child.kill('SIGCONT');
  }

  /** Aborts what waits, and unmounts. */
  async end(): Promise<void> {
    this.#child.kill('SIGKILL');
    await run('umount', ['--lazy', this.path]);
  }
}
