/** A process of the VM (VMM or files daemon): started in its jail, its stderr kept, its exit awaited. */
import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { PacedReading } from '../host/paced-reading.ts';
import { childEnv, killRef, type ProcessRef, processRef } from '../host/process.ts';
import { ConsoleRing } from './console-ring.ts';
import { type Jail, jailLauncher } from './jail.ts';

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ChildSpec {
  readonly name: string;
  readonly jail: Jail;
  /** The program's fd 0, made blocking; absent: /dev/null. */
  readonly stdin?: number;
  /** How many connected stream sockets it gets, as fd 3, 4, ... */
  readonly channels?: number;
  /** The descriptors after those; undefined becomes /dev/null. */
  readonly descriptors?: readonly (number | undefined)[];
  /** Aborts a start that hangs (on a file system that does not answer). */
  readonly signal?: AbortSignal | undefined;
}

const STDERR_BYTES = 16 * 1024;
/** A compromised program may write without end. */
const STDERR_PACE = { burst: 200, perSecond: 50, pauseMs: 4 };

export class VmChild {
  readonly name: string;
  /** The program. */
  readonly ref: ProcessRef;
  /** Its parent, bulkhead-jail, which exits when the program does. Each of them dies with its parent. */
  readonly launcher: ProcessRef;
  /** Our ends of the child's channels. */
  readonly channels: readonly Socket[];
  /** Resolves when the process is gone and its stderr has been read; never rejects. */
  readonly exited: Promise<ChildExit>;
  readonly #launched: Launched;
  #exit: ChildExit | undefined;

  private constructor(name: string, ref: ProcessRef, launched: Launched, channels: readonly Socket[]) {
    this.name = name;
    this.ref = ref;
    this.launcher = launched.ref;
    this.#launched = launched;
    this.channels = channels;
    this.exited = launched.exited.then((exit) => {
      this.#exit = exit;
      return exit;
    });
  }

  /** @throws Error when the program cannot be started, with the launcher's message. */
  static async start(spec: ChildSpec): Promise<VmChild> {
    const launcher = jailLauncher();
    const channels = Array.from({ length: spec.channels ?? 0 }, () => 'pipe' as const);
    const descriptors = (spec.descriptors ?? []).map((one) => one ?? ('ignore' as const));
    const status = 3 + channels.length + descriptors.length;
    const request = JSON.stringify({ ...spec.jail, parent: process.pid, status_fd: status });
    const child = spawn(launcher, [request], {
      env: childEnv(),
      stdio: [spec.stdin ?? 'ignore', 'ignore', 'pipe', ...channels, ...descriptors, 'pipe'],
    });
    if (child.pid === undefined) {
      const error = await new Promise<Error>((resolve) => child.once('error', resolve));
      throw new Error(`cannot start ${spec.name} by ${launcher}: ${error.message}`, { cause: error });
    }
    const launched = new Launched(child);
    const ours = child.stdio.slice(3, 3 + channels.length).filter((one) => one instanceof Socket);
    for (const channel of ours) channel.on('error', () => undefined); // seen as the child's exit
    const stop = () => child.kill('SIGKILL');
    spec.signal?.addEventListener('abort', stop, { once: true });
    const pid = Number(await firstLine(child.stdio[status] as Socket));
    spec.signal?.removeEventListener('abort', stop);
    // If it has already exited, its exit tells more.
    if (pid > 0) return new VmChild(spec.name, processRef(pid) ?? { pid, startTime: '0' }, launched, ours);
    const exit = await launched.exited;
    for (const channel of ours) channel.destroy();
    throw new Error(launched.stderr().trim() || `${launcher} ended with ${describeExit(exit)}`);
  }

  /** The exit, once the process is known to be gone. */
  get exit(): ChildExit | undefined {
    return this.#exit;
  }

  stderr(): string {
    return this.#launched.stderr();
  }

  /** Waits up to `graceMs` for the process to exit, then kills it and waits for that. */
  async end(graceMs: number): Promise<void> {
    const timer = setTimeout(() => this.kill(), graceMs);
    await this.exited;
    clearTimeout(timer);
  }

  kill(): void {
    if (this.#exit === undefined) killRef(this.ref, 'SIGKILL');
  }
}

/** The launcher, our child: it exits the way the program exited. */
class Launched {
  readonly ref: ProcessRef;
  readonly exited: Promise<ChildExit>;
  readonly #stderr = new ConsoleRing(STDERR_BYTES);

  constructor(child: ChildProcess) {
    child.on('error', () => undefined); // a kill that came too late
    // Read before the event loop can reap it, so the pid is still this process's.
    this.ref = processRef(child.pid!) ?? { pid: child.pid!, startTime: '0' };
    child.stderr?.on('data', (data: Buffer) => this.#stderr.push(data));
    const reading = child.stderr === null ? undefined : new PacedReading(child.stderr, STDERR_PACE);
    const exit = new Promise<ChildExit>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    this.exited = exit.then(async (how) => {
      reading?.free();
      await ended(child.stderr);
      return how;
    });
  }

  stderr(): string {
    return this.#stderr.text();
  }
}

/** The text up to the first line feed or the end. */
function firstLine(socket: Socket): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    const done = () => {
      socket.destroy();
      resolve(text.split('\n', 1)[0] ?? '');
    };
    socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      if (text.includes('\n')) done();
    });
    socket.once('error', done);
    socket.once('end', done);
  });
}

/** Output ends soon after the exit, unless a grandchild holds the other end open. */
const DRAIN_MS = 250;

/** Resolves when a stream has closed, or after DRAIN_MS. */
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
