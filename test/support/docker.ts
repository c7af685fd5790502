// A private Docker: dockerd of a Debian suite on a private containerd, in a network namespace of its own, so that its
// bridges and packet filter rules change nothing of the machine.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  describe,
  endChild,
  mustRun,
  type RunOptions,
  type RunResult,
  run,
} from '../../scripts/stand/command.ts';
import { Containerd } from '../../scripts/stand/containerd.ts';
import type { ContainerdFlavour } from '../../scripts/stand/fetch-containerd.ts';
import { fetchDebian } from '../../scripts/stand/fetch-debian.ts';
import { imageName, writeImage } from '../../scripts/stand/image.ts';
import { cacheDir } from '../../scripts/stand/paths.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';

/** Debian's suite whose Docker is tested, with its containerd: `BULKHEAD_TEST_DOCKER` names another (20.10 of bookworm knows no shims). */
const suite = process.env.BULKHEAD_TEST_DOCKER ?? 'trixie';
/** In sid the init that runs inside of containers has a package of its own. */
const packages = ['docker.io', 'docker-cli', suite === 'trixie' ? 'tini' : 'tini-static'];

export class Docker {
  readonly containerd: Containerd;
  readonly #root: string;
  readonly #env: NodeJS.ProcessEnv;
  #child: ChildProcess | undefined;

  private constructor(containerd: Containerd, root: string) {
    this.containerd = containerd;
    this.#root = root;
    const path = [join(root, 'usr/bin'), join(root, 'usr/sbin'), containerd.env.PATH].join(':');
    const config = join(containerd.dir, 'docker-client');
    this.#env = { ...containerd.env, PATH: path, DOCKER_CONFIG: config };
  }

  /** A running dockerd with the test image; the runtime under test is its default, `sized` has settings. Nothing is left on failure. */
  static async start(): Promise<Docker> {
    const root = await fetchDebian({ name: 'docker', suite, packages, witness: 'usr/bin/docker' });
    const flavour = suite as ContainerdFlavour;
    const containerd = await Containerd.start({ flavour, image: false, ownNetwork: true });
    const docker = new Docker(containerd, root);
    try {
      const sized = join(containerd.dir, 'sized.toml');
      writeFileSync(sized, '[vm]\ndefault_memory_mib = 1500\n');
      const runtimes = {
        tested: { runtimeType: runtime.name },
        sized: { runtimeType: runtime.name, options: { ConfigPath: sized } },
      };
      const config = { runtimes, 'default-runtime': 'tested', 'live-restore': true };
      writeFileSync(join(containerd.dir, 'daemon.json'), JSON.stringify(config));
      mkdirSync(join(containerd.dir, 'docker-client'));
      await docker.launch();
      const archive = join(cacheDir, 'busybox.tar');
      await writeImage(archive);
      await docker.must(['load', '--input', archive]);
      return docker;
    } catch (error) {
      await docker.stop();
      throw error;
    }
  }

  /** Starts dockerd (again) and waits until it answers. */
  async launch(): Promise<void> {
    const { dir, address, mark, namespace, pid } = this.containerd;
    const log = openSync(join(dir, 'dockerd.log'), 'a');
    const own = { 'data-root': join(dir, 'dr'), 'exec-root': join(dir, 'de'), pidfile: join(dir, 'd.pid') };
    const options = {
      ...own,
      host: `unix://${this.#socket}`,
      'config-file': join(dir, 'daemon.json'),
      containerd: address,
      'containerd-namespace': namespace,
      'containerd-plugins-namespace': `${namespace}-plugins`,
      'storage-driver': 'overlay2',
      'cgroup-parent': `/${mark}`,
    };
    const argv = Object.entries(options).map(([name, value]) => `--${name}=${value}`);
    const program = [join(this.#root, 'usr/sbin/dockerd'), ...argv];
    const wrapped = ['--pdeathsig', 'KILL', 'nsenter', `--net=/proc/${pid}/ns/net`, '--', ...program];
    const stdio = ['ignore', log, log] as const;
    const child = spawn('setpriv', wrapped, { env: this.#env, stdio: [...stdio], detached: true, cwd: '/' });
    closeSync(log);
    this.#child = child;
    const answers = async (): Promise<boolean> => {
      if (child.exitCode !== null) return true;
      return (await this.run(['version'], { timeoutMs: 5_000 })).code === 0;
    };
    const cause = await waitFor('answer from dockerd', answers, 60_000, 50).catch((error: unknown) => error);
    if (child.exitCode !== null || cause instanceof Error)
      throw new Error(`dockerd did not start:\n${this.log().slice(-2000)}`, { cause });
  }

  /** SIGKILL; containers stay. */
  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    await endChild('dockerd', child, signal);
  }

  log(): string {
    return readFileSync(join(this.containerd.dir, 'dockerd.log'), 'utf8');
  }

  /** The client's command line, for those who spawn it themselves. */
  argv(args: readonly string[]): string[] {
    return [join(this.#root, 'usr/bin/docker'), '--host', `unix://${this.#socket}`, ...args];
  }

  get env(): NodeJS.ProcessEnv {
    return this.#env;
  }

  run(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const [file = '', ...rest] = this.argv(args);
    return run(file, rest, { env: this.#env, ...options });
  }

  /** As `run`, but a failure is an error with the daemon's last words; gives the output without its last newline. */
  async must(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const result = await this.run(args, options);
    if (result.code === 0) return result.stdout.trimEnd();
    throw new Error(
      `docker ${args.join(' ')}: ${describe(result)}\n--- containerd\n${this.containerd.log().slice(-3000)}`,
    );
  }

  /** A container of the test image in the background; `options` are those of `docker run`. */
  async detached(name: string, options: readonly string[], ...command: string[]): Promise<string> {
    const argv = command.length > 0 ? command : ['sleep', '100000'];
    return await this.must(['run', '--detach', '--name', name, ...options, imageName, ...argv], {
      timeoutMs: 90_000,
    });
  }

  /** A container that ends: the result is its own. */
  once(options: readonly string[], ...command: string[]): Promise<RunResult> {
    return this.run(['run', '--rm', ...options, imageName, ...command], { timeoutMs: 90_000 });
  }

  /** A shell script by `docker exec`; its exit code must be 0; gives its output. */
  sh(name: string, script: string): Promise<string> {
    return this.must(['exec', name, 'sh', '-c', script]);
  }

  /** A field of `docker inspect`, such as `.State`. */
  async inspect<T>(name: string, field: string): Promise<T> {
    return JSON.parse(await this.must(['inspect', '--format', `{{json ${field}}}`, name])) as T;
  }

  /** Runs a program in the network of the played machine. */
  async onHost(...argv: string[]): Promise<string> {
    const target = `--net=/proc/${this.containerd.pid}/ns/net`;
    return (await mustRun('nsenter', [target, '--', ...argv], { timeoutMs: 30_000 })).stdout;
  }

  /** Ends everything. Never rejects half-way. */
  async stop(): Promise<void> {
    await this.kill('SIGTERM').catch(() => this.kill());
    await this.containerd.stop();
  }

  get #socket(): string {
    return join(this.containerd.dir, 'd.sock');
  }
}
