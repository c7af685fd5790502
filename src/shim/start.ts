/**
 * `start`: prints the address of the shim that serves this container. A plain container and a pod's sandbox
 * get a shim of their own; for another container of a pod it is the address of the sandbox's shim, and nothing is started.
 *
 * This process binds the socket and passes it to the server as fd 3. So the address is valid before the server runs,
 * and containerd's first connection waits in the kernel's backlog.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { descriptorOf } from '../host/descriptor.ts';
import { makeFolders } from '../host/folders.ts';
import { setShimOomScore } from '../host/oom-score.ts';
import { canConnect } from '../host/socket-peers.ts';
import { place } from '../sandbox/placement.ts';
import { socketPath } from './address.ts';
import type { ShimArgs } from './args.ts';

/** A small heap, collection on demand (idle-memory.ts), and no inspector on SIGUSR1. */
const SERVER_FLAGS = ['--max-semi-space-size=1', '--expose-gc', '--disable-sigusr1', '--no-warnings'];

/** Makes glibc return freed memory to the host instead of keeping it: 1.5 MiB per shim. */
const SERVER_ENV = { MALLOC_ARENA_MAX: '1', MALLOC_TRIM_THRESHOLD_: '65536', MALLOC_TOP_PAD_: '0' };

/**
 * @param bundle the container's bundle folder (containerd: the working directory).
 * @returns the address to print, `unix://<path>`: the form that every containerd and CRI-O understands.
 * @throws Error when the bundle cannot be read, placement rejects the container, or its sandbox is gone.
 */
export async function start(args: ShimArgs, bundle: string): Promise<string> {
  requireFlags(args);
  const placement = place(args.id, readAnnotations(bundle));
  if (placement.t === 'reject') {
    throw new Error(`container ${args.id} cannot be placed: ${placement.reasons.join('; ')}`);
  }
  const path = socketPath(args.address, args.namespace, placement.sandboxId);
  const running = await canConnect(path);
  if (placement.t === 'join' && !running) {
    throw new Error(
      `container ${args.id} belongs to sandbox ${placement.sandboxId}, but no shim answers at ${path}: ` +
        `the sandbox is gone or was never started (${placement.reasons.join('; ')})`,
    );
  }
  const address = `unix://${path}`;
  // containerd 1.6/1.7 and CRI-O find the shim by this file after a restart. It is written first, because a server whose
  // address cannot be saved must not run.
  writeFileSync(join(bundle, 'address'), address, { mode: 0o600 });
  if (!running) await startServer(args, bundle, path);
  return address;
}

function requireFlags(args: ShimArgs): void {
  if (args.id === '') throw new Error('flag -id is missing: the shim is started by containerd or CRI-O');
  if (args.namespace === '')
    throw new Error('flag -namespace is missing: the shim is started by containerd or CRI-O');
}

/** A bundle without a spec belongs to a sandbox that the sandbox API will describe: it has no annotations. */
function readAnnotations(bundle: string): Record<string, string> {
  const path = join(bundle, 'config.json');
  let spec: unknown;
  try {
    spec = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Error(`cannot read the OCI spec ${path}: ${(error as Error).message}`);
  }
  const annotations = (spec as { annotations?: unknown } | null)?.annotations ?? {};
  if (typeof annotations !== 'object') throw new Error(`${path}: annotations must be an object`);
  return annotations as Record<string, string>;
}

async function startServer(args: ShimArgs, bundle: string, path: string): Promise<void> {
  const listener = await bind(path);
  // The server's stderr is the bundle's log FIFO, which containerd copies into its own log, so that a crash is logged.
  // Opening it O_RDWR neither blocks nor fails if nobody reads.
  const log = openLog(bundle);
  try {
    const child = spawn(
      process.execPath,
      [...SERVER_FLAGS, join(dirname(process.argv[1]!), 'server.cjs'), ...serverArgs(args, path)],
      {
        cwd: bundle,
        env: serverEnv(),
        detached: true,
        stdio: ['ignore', 'ignore', log ?? 'ignore', descriptorOf(listener)],
      },
    );
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    if (child.pid !== undefined) setShimOomScore(child.pid, process.ppid);
    child.unref();
  } catch (error) {
    rmSync(path, { force: true });
    throw new Error(`cannot start the shim's server: ${(error as Error).message}`);
  } finally {
    if (log !== undefined) closeSync(log);
  }
}

async function bind(path: string): Promise<Server> {
  try {
    makeFolders(dirname(path), 0o700);
    rmSync(path, { force: true });
    const umask = process.umask(0o177);
    const listener = createServer();
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(path, resolve);
    });
    process.umask(umask);
    return listener;
  } catch (error) {
    throw new Error(`cannot listen at ${path}: ${(error as Error).message}`);
  }
}

function openLog(bundle: string): number | undefined {
  try {
    return openSync(join(bundle, 'log'), constants.O_RDWR | constants.O_NONBLOCK);
  } catch {
    return undefined; // started by hand, without a container manager
  }
}

function serverArgs(args: ShimArgs, socket: string): string[] {
  const flags = ['-namespace', args.namespace, '-id', args.id, '-address', args.address];
  flags.push('-publish-binary', args.publishBinary, '-socket', socket);
  if (args.debug) flags.push('-debug');
  return [...flags, 'serve'];
}

/** containerd's environment without variables that affect Node. */
function serverEnv(): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('NODE_'));
  return { ...Object.fromEntries(inherited), ...SERVER_ENV };
}
