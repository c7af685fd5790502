// Runs a command with a timeout and keeps its output as bytes; nothing here can wait forever.
import { type ChildProcess, spawn } from 'node:child_process';
import { within } from './wait.ts';

export interface RunOptions {
  /** After this long the command's process group gets SIGKILL; default 60 s. */
  readonly timeoutMs?: number;
  readonly input?: string | Uint8Array;
  /** Sends the input only once the output matches. ctr loses an EOF that comes before its task exists. */
  readonly inputAfter?: RegExp;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
}

export interface RunResult {
  /** Exit code; null when a signal ended it, see `signal`. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  readonly stdout: string;
  readonly stderr: string;
  readonly stdoutBytes: Buffer;
  readonly ms: number;
}

/** Runs until it exits; a non-zero exit is a result. Rejects only when the program cannot be started. */
export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const stdio = [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] as const;
    const { cwd, env = process.env } = options;
    const child = spawn(file, args, {
      env,
      ...(cwd === undefined ? {} : { cwd }),
      stdio: [...stdio],
      detached: true,
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
      // A descendant outside the group may hold the pipes open: do not wait for EOF.
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, options.timeoutMs ?? 60_000);
    let inputDue = options.input !== undefined;
    const feed = (): void => {
      if (!inputDue || !(options.inputAfter?.test(Buffer.concat(out).toString()) ?? true)) return;
      inputDue = false;
      child.stdin?.end(options.input);
    };
    child.stdout?.on('data', (chunk: Buffer) => {
      out.push(chunk);
      if (inputDue) feed();
    });
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin?.on('error', () => undefined);
    feed();
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const stdoutBytes = Buffer.concat(out);
      const stderr = Buffer.concat(err).toString();
      resolve({
        code,
        signal,
        timedOut,
        stdoutBytes,
        stdout: stdoutBytes.toString(),
        stderr,
        ms: performance.now() - started,
      });
    });
  });
}

/** Like `run`, but any end other than exit 0 is an error with the command and its output. */
export async function mustRun(
  file: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run(file, args, options);
  if (result.code !== 0) throw new Error(`${[file, ...args].join(' ')}: ${describe(result)}`);
  return result;
}

/** The end of a command in words, for failure messages. */
export function describe(result: RunResult): string {
  const end = result.timedOut
    ? `timed out after ${Math.round(result.ms)} ms`
    : `exit ${result.code ?? result.signal}`;
  return `${end}\n--- stdout\n${result.stdout.slice(-4000)}\n--- stderr\n${result.stderr.slice(-4000)}`;
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Already gone.
  }
}

/** Sends a signal to a daemon, if it is running, and waits until it has exited. */
export async function endChild(
  what: string,
  child: ChildProcess | undefined,
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  await within(`end of ${what}`, 20_000, gone);
}
