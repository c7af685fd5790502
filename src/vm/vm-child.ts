/** A process of the VM (VMM, virtiofsd): started through the wrapper, its stderr kept, its exit awaited. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Cgroup } from '../host/cgroup.ts';
import { childEnv, type ProcessRef, processRef, wrapArgv } from '../host/process.ts';
import { ConsoleRing } from './console-ring.ts';

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildSpec {
  readonly name: string;
  readonly argv: readonly string[];
  readonly cwd: string;
  readonly cgroup?: Cgroup | undefined;
  readonly netnsPath?: string | undefined;
  /** It gets an empty network namespace of its own; instead of `netnsPath`. */
  readonly newNetns?: boolean | undefined;
  /** File descriptor that the child gets as its 0, made blocking; absent: /dev/null. */
  readonly stdin?: number;
  /** How many connected stream sockets it gets as fd 3, 4, ... */
  readonly channels?: number;
}

const STDERR_BYTES = 16 * 1024;

export class VmChild {
  readonly name: string;
  readonly ref: ProcessRef;
  /** Our ends of the child's channels. */
  readonly channels: readonly Socket[];
  /** Settles when the process is gone and its stderr is read, never rejects. */
  readonly exited: Promise<ChildExit>;
  readonly #child: ChildProcess;
  readonly #stderr = new ConsoleRing(STDERR_BYTES);
  #exit: ChildExit | undefined;

  private constructor(name: string, ref: ProcessRef, child: ChildProcess) {
    this.name = name;
    this.ref = ref;
    this.#child = child;
    this.channels = child.stdio.slice(3).filter((s) => s instanceof Socket);
    for (const channel of this.channels) channel.on('error', () => undefined); // seen as the child's exit
    this.#child.stderr?.on('data', (data: Buffer) => this.#stderr.push(data));
    this.exited = this.#watch();
  }

  /** @throws Error when the wrapper cannot be started at all. */
  static async start(spec: ChildSpec): Promise<VmChild> {
    const [file, ...args] = wrapArgv(spec.argv, {
      procsFiles: spec.cgroup?.procsFiles ?? [],
      ...(spec.netnsPath === undefined ? {} : { netnsPath: spec.netnsPath }),
      ...(spec.newNetns === undefined ? {} : { newNetns: spec.newNetns }),
    });
    const channels = Array.from({ length: spec.channels ?? 0 }, () => 'pipe' as const);
    const child = spawn(file, args, {
      cwd: spec.cwd,
      env: childEnv(),
      stdio: [spec.stdin ?? 'ignore', 'ignore', 'pipe', ...channels],
    });
    if (child.pid === undefined) {
      const error = await new Promise<Error>((resolve) => child.once('error', resolve));
      throw new Error(`cannot start ${spec.name} through ${file}: ${error.message}`, { cause: error });
    }
    child.on('error', () => undefined); // a kill that came too late
    // Read before the event loop can reap it, so the pid is still this process's.
    const ref = processRef(child.pid) ?? { pid: child.pid, startTime: '0' };
    return new VmChild(spec.name, ref, child);
  }

  async #watch(): Promise<ChildExit> {
    const exit = await new Promise<ChildExit>((resolve) => {
      this.#child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.#exit = exit;
    await ended(this.#child.stderr);
    return exit;
  }

  /** The exit if the process is known to be gone. */
  get exit(): ChildExit | undefined {
    return this.#exit;
  }

  stderr(): string {
    return this.#stderr.text();
  }

  /** Waits for the process to end by itself, at most `graceMs`, then kills it. */
  async end(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  kill(): void {
    if (this.#exit === undefined) this.#child.kill('SIGKILL');
  }
}

/** Output is complete soon after the exit, unless a grandchild holds the other end. */
const DRAIN_MS = 250;

/** Resolves when a stream has ended, bounded. */
export function ended(stream: NodeJS.ReadableStream | null): Promise<void> {
  if (!stream?.readable) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, DRAIN_MS);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** "code 1" or "signal SIGKILL". */
export function describeExit(exit: ChildExit): string {
  return exit.signal === null ? `code ${exit.code}` : `signal ${exit.signal}`;
}
