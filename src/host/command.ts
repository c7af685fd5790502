/** Runs one-shot programs (helpers, ip, hooks, --version), bounded in time and output, with a clean environment. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { childEnv } from './process.ts';

export interface CommandResult {
  /** Null when a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string>>;
  /** The program's argv[0], when it is not its path. */
  readonly argv0?: string | undefined;
  /** The program's standard input; /dev/null by default. */
  readonly input?: string;
}

const MAX_OUTPUT_BYTES = 64 * 1024;

/** A child that SIGKILL does not end (uninterruptible I/O) is abandoned after this long. */
const ABANDON_MS = 500;

/**
 * Runs a program until it exits and returns its output (the first 64 KiB of each stream). Any exit code is a result.
 * @throws Error when it cannot start, times out or is aborted; in the last two cases it is killed.
 */
export function runCommand(
  argv: readonly [string, ...string[]],
  options: CommandOptions,
): Promise<CommandResult> {
  const [file, ...args] = argv;
  return new Promise((resolve, reject) => {
    options.signal?.throwIfAborted();
    const child = spawn(file, args, {
      cwd: options.cwd,
      argv0: options.argv0 ?? file,
      env: { ...childEnv(), ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    }) as ChildProcessByStdio<Writable | null, Readable, Readable>;
    let failure: Error | undefined;
    let abandon: NodeJS.Timeout | undefined;
    const stop = (error: Error) => {
      if (failure) return;
      failure = error;
      child.kill('SIGKILL');
      abandon = setTimeout(finish, ABANDON_MS);
    };
    const timer = setTimeout(() => {
      stop(new Error(`${file} took longer than ${options.timeoutMs} ms`));
    }, options.timeoutMs);
    const onAbort = () => stop(new Error(`${file} was aborted`, { cause: options.signal?.reason }));
    options.signal?.addEventListener('abort', onAbort, { once: true });

    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    child.stdin?.on('error', () => undefined); // it need not read everything, and its exit code says more
    child.stdin?.end(options.input);
    const finish = (code: number | null = null) => {
      clearTimeout(timer);
      clearTimeout(abandon);
      options.signal?.removeEventListener('abort', onAbort);
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      if (failure) reject(failure);
      else resolve({ code, stdout: stdout(), stderr: stderr() });
    };
    child.once('error', (error) => {
      failure ??= new Error(`cannot run ${file}: ${error.message}`, { cause: error });
      finish();
    });
    child.once('close', finish);
  });
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    if (size < MAX_OUTPUT_BYTES) chunks.push(chunk.subarray(0, MAX_OUTPUT_BYTES - size));
    size += chunk.length;
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
