// A detached container of the runtime under test, driven through ctr.
import type { RunOptions, RunResult } from '../../scripts/stand/command.ts';
import { type Containerd, runArgs } from '../../scripts/stand/containerd.ts';
import { waitFor } from '../../scripts/stand/wait.ts';

let execNumber = 0;

export class CtrContainer {
  readonly daemon: Containerd;
  readonly id: string;

  private constructor(daemon: Containerd, id: string) {
    this.daemon = daemon;
    this.id = id;
  }

  /** `ctr run --detach`: returns when the task runs. `options` are those of `ctr run`. */
  static async start(
    daemon: Containerd,
    id: string,
    command: readonly string[],
    options: readonly string[] = ['--null-io'],
  ): Promise<CtrContainer> {
    await daemon.mustCtr([...runArgs('--detach', ...options), id, ...command], { timeoutMs: 90_000 });
    return new CtrContainer(daemon, id);
  }

  /** `ctr task exec` with a new exec id; the result is the command's. */
  exec(command: readonly string[], options: ExecOptions = {}): Promise<RunResult> {
    const { flags = [], execId = `e${++execNumber}`, ...rest } = options;
    return this.daemon.ctr(['task', 'exec', '--exec-id', execId, ...flags, this.id, ...command], rest);
  }

  /** A shell script by exec; its exit code must be 0; gives its output. */
  async sh(script: string, options: ExecOptions = {}): Promise<string> {
    const result = await this.exec(['sh', '-c', script], options);
    if (result.code === 0) return result.stdout;
    throw new Error(
      `exit ${result.code ?? 'by time limit'} of: ${script}\n${result.stdout}\n${result.stderr}`,
    );
  }

  /** RUNNING, STOPPED, PAUSED ...; undefined without a task. */
  async status(): Promise<{ status: string; pid: number } | undefined> {
    const { stdout } = await this.daemon.mustCtr(['task', 'ls']);
    const [, pid, status] = new RegExp(`^${this.id}\\s+(\\d+)\\s+(\\w+)`, 'm').exec(stdout) ?? [];
    return status === undefined ? undefined : { status, pid: Number(pid) };
  }

  async waitStatus(wanted: string, timeoutMs = 20_000): Promise<void> {
    await waitFor(
      `${wanted} of ${this.id}`,
      async () => (await this.status())?.status === wanted,
      timeoutMs,
      100,
    );
  }

  async kill(signal = 'SIGKILL', ...flags: string[]): Promise<RunResult> {
    return await this.daemon.ctr(['task', 'kill', '--signal', signal, ...flags, this.id]);
  }

  /** Kills what runs, deletes task and container; gives what `ctr task delete` says, which names a non-zero exit code. */
  async remove(): Promise<string> {
    await this.kill();
    const ended = async (): Promise<boolean> => ((await this.status())?.status ?? 'STOPPED') === 'STOPPED';
    await waitFor('end of the task', ended, 20_000, 100).catch(() => undefined);
    const deleted = await this.daemon.ctr(['task', 'delete', this.id]);
    await this.daemon.mustCtr(['container', 'delete', this.id]);
    return deleted.stderr;
  }
}

export interface ExecOptions extends RunOptions {
  readonly flags?: readonly string[];
  readonly execId?: string;
}
