// A private containerd, with its own root, state, sockets and namespace in one short folder: start, kill, restart,
// stop.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeCgroups } from './cgroups.ts';
import { describe, endChild, type RunOptions, type RunResult, run } from './command.ts';
import { containerdConfig } from './containerd-config.ts';
import { type ContainerdBinaries, type ContainerdFlavour, containerdBinaries } from './fetch-containerd.ts';
import { imageName, writeImage } from './image.ts';
import { unmountBelow } from './mounts.ts';
import { cacheDir, scratchDir } from './paths.ts';
import { isRunning, markedProcesses, markVariable } from './processes.ts';
import { runtime, searchPath } from './runtime.ts';
import { waitFor } from './wait.ts';

export interface ContainerdOptions {
  /** Default: the machine's own; `BULKHEAD_TEST_CONTAINERD` sets another for a whole run. */
  readonly flavour?: ContainerdFlavour;
  /** TOML for the CRI tables of a version, given the daemon's folder; enables the CRI plugin (namespace k8s.io). */
  readonly cri?: (version: string, dir: string) => Promise<string>;
  /** TOML for other plugins' tables. */
  readonly plugins?: string;
  /** A new network namespace, so that CNI plugins do not affect the machine; or the path of an existing one. */
  readonly ownNetwork?: boolean | string;
  /** Additional environment for containerd, and so for the shims. */
  readonly env?: NodeJS.ProcessEnv;
  /** False leaves the image store empty. */
  readonly image?: boolean;
}

/** The flavour that this run tests. */
export function defaultFlavour(): ContainerdFlavour {
  return (process.env.BULKHEAD_TEST_CONTAINERD as ContainerdFlavour | undefined) ?? 'system';
}

export class Containerd {
  readonly dir: string;
  readonly address: string;
  /** Marks the daemon's processes; unique on the machine. */
  readonly mark: string;
  /** containerd namespace of every container of this daemon: the mark, so its cgroups are unique; with CRI k8s.io. */
  readonly namespace: string;
  /** Bulkhead's state folder for this daemon's shims (BULKHEAD_STATE). */
  readonly bulkheadState: string;
  readonly binaries: ContainerdBinaries;
  readonly #env: NodeJS.ProcessEnv;
  readonly #ownNetwork: boolean | string;
  #child: ChildProcess | undefined;

  private constructor(dir: string, binaries: ContainerdBinaries, options: ContainerdOptions) {
    this.dir = dir;
    this.binaries = binaries;
    this.address = join(dir, 'c.sock');
    this.mark = dir.slice(dir.lastIndexOf('/') + 1);
    this.namespace = options.cri === undefined ? this.mark : 'k8s.io';
    this.#ownNetwork = options.ownNetwork ?? false;
    this.bulkheadState = join(dir, 'b');
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith('NODE_'));
    const path = searchPath(binaries.binDir);
    const own = { PATH: path, [markVariable]: this.mark, BULKHEAD_STATE: this.bulkheadState };
    this.#env = { ...Object.fromEntries(clean), ...own, ...options.env };
  }

  /** Starts a containerd and imports the test image. On failure nothing is left behind. */
  static async start(options: ContainerdOptions = {}): Promise<Containerd> {
    const binaries = await containerdBinaries(options.flavour ?? defaultFlavour());
    const daemon = new Containerd(await scratchDir('c'), binaries, options);
    try {
      const { dir, address } = daemon;
      const [root, state] = [join(dir, 'r'), join(dir, 's')];
      const cri = options.cri === undefined ? {} : { cri: await options.cri(binaries.version, dir) };
      const config = containerdConfig({
        version: binaries.version,
        root,
        state,
        address,
        ...cri,
        ...(options.plugins === undefined ? {} : { plugins: options.plugins }),
      });
      await writeFile(join(dir, 'config.toml'), config);
      await daemon.launch();
      if (options.image !== false) await daemon.importImage();
      return daemon;
    } catch (error) {
      await daemon.stop();
      throw error;
    }
  }

  /** Pid of the daemon; undefined while it is down. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Folder of a container's bundle. */
  bundle(id: string): string {
    return join(this.dir, 's', 'io.containerd.runtime.v2.task', this.namespace, id);
  }

  /** Everything that containerd and the shims' log FIFOs have written since the first start. */
  log(): string {
    return readFileSync(join(this.dir, 'log'), 'utf8');
  }

  /** Starts the daemon (again) and waits until it answers. */
  async launch(): Promise<void> {
    mkdirSync(join(this.dir, 'f'), { recursive: true });
    const log = openSync(join(this.dir, 'log'), 'a');
    const command = [join(this.binaries.binDir, 'containerd'), '-c', join(this.dir, 'config.toml')];
    const argv = inNetwork(this.#ownNetwork, command);
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], {
      env: this.#env,
      stdio: ['ignore', log, log],
      detached: true,
      cwd: '/',
    });
    closeSync(log);
    this.#child = child;
    const answers = async (): Promise<boolean> => {
      if (child.exitCode !== null) throw new Error(`containerd ended with ${child.exitCode}`);
      return (await this.ctr(['version'], { timeoutMs: 5_000 })).code === 0;
    };
    await waitFor('answer from containerd', answers, 30_000, 50).catch((cause: unknown) => {
      throw new Error(`containerd did not start:\n${this.log().slice(-4000)}`, { cause });
    });
  }

  /** Kills the daemon and waits until it is gone. Containers stay. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await endChild('containerd', child, signal);
  }

  /** Runs ctr against this daemon, in its namespace. */
  ctr(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    return run(join(this.binaries.binDir, 'ctr'), this.ctrArgs(args), { env: this.#env, ...options });
  }

  /** Like `ctr`, but a failure is an error with the daemon's last log lines. */
  async mustCtr(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const result = await this.ctr(args, options);
    if (result.code === 0) return result;
    throw new Error(`ctr ${args.join(' ')}: ${describe(result)}\n--- containerd\n${this.log().slice(-3000)}`);
  }

  /** The full argument list of a ctr call, for callers that spawn it themselves. */
  ctrArgs(args: readonly string[]): string[] {
    return ['--address', this.address, '--namespace', this.namespace, ...args];
  }

  /** The environment of the daemon, for clients that need the same PATH. */
  get env(): NodeJS.ProcessEnv {
    return this.#env;
  }

  /** Processes that this daemon or its shims started, without the daemon itself. */
  processes(): ReturnType<typeof markedProcesses> {
    return markedProcesses(this.mark, this.dir).filter((one) => one.pid !== this.pid);
  }

  /** Kills all containers and the daemon, cleans up what they left, and removes the folder. */
  async stop(): Promise<void> {
    await this.kill('SIGTERM').catch(() => this.kill());
    for (const left of this.processes()) tryKill(left.pid);
    await waitFor('end of the processes', () => this.processes().length === 0, 10_000).catch(() => undefined);
    await unmountBelow(this.dir);
    removeCgroups(this.mark);
    await rm(this.dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  private async importImage(): Promise<void> {
    await this.importArchive('busybox.tar', writeImage);
  }

  /** Writes an image with `write` into the cache and imports it. */
  async importArchive(name: string, write: (file: string) => Promise<string>): Promise<void> {
    const archive = join(cacheDir, name);
    await write(archive);
    await this.mustCtr(['images', 'import', archive], { timeoutMs: 120_000 });
  }
}

/** Wraps the command to run in the machine's network namespace, a new one with only a loopback, or that at a path. */
function inNetwork(network: boolean | string, command: readonly string[]): readonly string[] {
  if (network === false) return command;
  if (network !== true) return ['nsenter', `--net=${network}`, '--', ...command];
  return ['unshare', '--net', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh', ...command];
}

/** Arguments of `ctr run` up to and including the image: runtime under test, options, image. */
export function runArgs(...options: string[]): string[] {
  return ['run', '--runtime', runtime.name, ...options, imageName];
}

function tryKill(pid: number): void {
  try {
    if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  } catch {
    // It has exited.
  }
}
