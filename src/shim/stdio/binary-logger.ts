// A logger program named by `binary:///path?key=value`: started once per process, fed through pipes.
//
// containerd's contract: the arguments are the query's keys and values, the environment has only CONTAINER_ID and
// CONTAINER_NAMESPACE, fds 3 and 4 carry stdout and stderr, and the program closes or writes to fd 5 when it is ready.

import { type ChildProcess, spawn } from 'node:child_process';
import fs from 'node:fs';
import { createPrivatePipes, FifoReader } from '../../host/fifo.ts';
import { createPipeSink, type Sink } from './sink.ts';
import { errnoText, StdioError } from './stdio-error.ts';

/** Time limits of a logger, in milliseconds. */
export interface LoggerLimits {
  /** Until it reports ready. */
  readonly readyMs: number;
  /** After its pipes are closed, until SIGTERM: time to read what is still in them. */
  readonly finishMs: number;
  /** After SIGTERM, until SIGKILL. */
  readonly termMs: number;
}

export const LOGGER_LIMITS: LoggerLimits = { readyMs: 10_000, finishMs: 2_000, termMs: 12_000 };

/** After EOF on the ready pipe: if the program does not exit within this time, it counts as ready. */
const EXIT_CHECK_MS = 20;

/** A running logger. `stop()` ends and reaps its process, after both sinks have ended. */
export interface BinaryLogger {
  readonly pid: number;
  readonly stdout: Sink;
  readonly stderr: Sink;
  /** Closes the pipes and waits for the program to exit, then sends SIGTERM, then SIGKILL. Idempotent; resolves when it is gone. */
  stop(): Promise<void>;
}

/** Running loggers. If the shim ends before them, they get SIGTERM; their pipes are closed by then. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGTERM');
});

/** The logger's arguments: each key of the query, followed by its first value. */
export function loggerArguments(uri: URL): string[] {
  const args: string[] = [];
  for (const key of new Set(uri.searchParams.keys())) args.push(key, uri.searchParams.get(key) ?? '');
  return args;
}

/** One byte or EOF means ready; an EOF because the program has exited means failure. */
async function waitReady(
  reader: FifoReader,
  exited: Promise<void>,
  limitMs: number,
): Promise<'ready' | 'exited' | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), limitMs);
  });
  try {
    const sign = await Promise.race([reader.chunks().next(), late]);
    if (sign === 'late') return 'late';
    return sign.done && (await exitsWithin(exited, EXIT_CHECK_MS)) ? 'exited' : 'ready';
  } finally {
    clearTimeout(timer);
    reader.close();
  }
}

async function exitsWithin(exited: Promise<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const result = await Promise.race([exited.then(() => true as const), late]);
  clearTimeout(timer);
  return result;
}

async function stopProcess(child: ChildProcess, exited: Promise<void>, limits: LoggerLimits): Promise<void> {
  if (await exitsWithin(exited, limits.finishMs)) return;
  child.kill('SIGTERM');
  if (await exitsWithin(exited, limits.termMs)) return;
  child.kill('SIGKILL');
  await exited;
}

/** Resolves when the child has ended or could not be started. */
function exitOf(child: ChildProcess): { exited: Promise<void>; failure: () => Error | undefined } {
  let failure: Error | undefined;
  running.add(child);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => resolve());
    child.once('error', (error) => {
      failure = error;
      if (child.pid === undefined) resolve();
    });
  });
  void exited.then(() => running.delete(child));
  return { exited, failure: () => failure };
}

/**
 * Starts the logger of `uri` and waits until it is ready.
 * @throws StdioError with nothing left, when it cannot be started, ends before it is ready, or is not ready in time.
 */
export async function startBinaryLogger(
  stream: 'stdout' | 'stderr',
  uri: URL,
  container: { id: string; namespace: string },
  limits: LoggerLimits = LOGGER_LIMITS,
): Promise<BinaryLogger> {
  const program = decodeURIComponent(uri.pathname);
  const [out, err, ready] = await createPrivatePipes(['out', 'out', 'in']);
  if (out === undefined || err === undefined || ready === undefined)
    throw new Error('three pipes were asked for');
  const stdout = createPipeSink(out.ours, `${program} fd 3`);
  const stderr = createPipeSink(err.ours, `${program} fd 4`);
  const readyReader = FifoReader.fromFd(ready.ours);
  let child: ChildProcess;
  try {
    child = spawn(program, loggerArguments(uri), {
      env: { CONTAINER_ID: container.id, CONTAINER_NAMESPACE: container.namespace },
      stdio: ['ignore', 'ignore', 'ignore', out.child, err.child, ready.child],
    });
  } catch (error) {
    await Promise.all([stdout.close(), stderr.close()]);
    readyReader.close();
    throw new StdioError(stream, uri.href, `logger cannot be started: ${errnoText(error)}`, error);
  } finally {
    for (const pipe of [out, err, ready]) fs.closeSync(pipe.child);
  }
  const { exited, failure } = exitOf(child);
  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= Promise.all([stdout.close(), stderr.close()]).then(() => stopProcess(child, exited, limits));
    return stopping;
  };
  const state = await waitReady(readyReader, exited, limits.readyMs);
  const error = failure();
  const { pid } = child;
  if (error === undefined && state === 'ready' && pid !== undefined) return { pid, stdout, stderr, stop };
  // It did not start properly and has nothing to finish: kill it at once.
  stopping = Promise.all([stdout.close(), stderr.close()]).then(() => {
    child.kill('SIGKILL');
    return exited;
  });
  await stopping;
  if (error !== undefined) {
    throw new StdioError(stream, uri.href, `logger cannot be started: ${errnoText(error)}`, error);
  }
  throw new StdioError(
    stream,
    uri.href,
    state === 'late'
      ? `logger was not ready within ${limits.readyMs} ms`
      : 'logger ended before it was ready',
  );
}
