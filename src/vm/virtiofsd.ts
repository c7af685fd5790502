/** The daemon that exports the sandbox's shared folder to the guest: QEMU's own (C) or the Rust one. */
import { closeSync, constants, existsSync, openSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import type { Cgroup } from '../host/cgroup.ts';
import { runCommand } from '../host/command.ts';
import { type SharedFolder, VmError } from './hypervisor.ts';
import { VmChild } from './vm-child.ts';

export type VirtiofsdFlavour = 'qemu' | 'rust';

/** Descriptions of vhost-user daemons (QEMU's docs/interop/vhost-user.json); the C daemon's has its own name. */
const QEMU_DAEMON_DESCRIPTION = '/usr/share/qemu/vhost-user/50-qemu-virtiofsd.json';

/** What the usual places hold, so that most sandboxes need no run of `--version` (5 ms). */
function knownFlavour(path: string): VirtiofsdFlavour | undefined {
  const real = realpathSync(path);
  if (real === '/usr/lib/qemu/virtiofsd') return 'qemu';
  // Before QEMU 8 some distributions had the C daemon here.
  if (real === '/usr/libexec/virtiofsd' && !existsSync(QEMU_DAEMON_DESCRIPTION)) return 'rust';
  return undefined;
}

/** What a `--version` output tells: QEMU's carries a copyright line, the Rust one only name and number. */
export function flavourOfVersion(output: string): VirtiofsdFlavour | undefined {
  if (!/^virtiofsd\b/m.test(output)) return undefined;
  return /FUSE kernel interface|Fabrice Bellard/.test(output) ? 'qemu' : 'rust';
}

/**
 * Tells which daemon a path leads to.
 * @throws VmError when it is neither.
 */
export async function virtiofsdFlavour(path: string, signal?: AbortSignal): Promise<VirtiofsdFlavour> {
  const known = knownFlavour(path);
  if (known) return known;
  const { stdout, stderr } = await runCommand([path, '--version'], { timeoutMs: 5000, signal });
  const flavour = flavourOfVersion(stdout + stderr);
  if (flavour) return flavour;
  throw new VmError('virtiofsd', `${path} does not look like virtiofsd`, {
    hint: 'set shared_fs.daemon in the configuration to the path of virtiofsd',
    stderr: stderr.slice(0, 400),
  });
}

/**
 * Cache policies in the words of QEMU's daemon. Its own `auto` makes the guest's kernel drop all cached pages of a file
 * whenever somebody opens it, also those that running programs are executed from: an exec read its whole program again
 * (140 ms instead of 42 under TCG). Here the guest asks for the attributes again when they are a second old, as with
 * `auto`, and drops the pages when size or time of modification are others.
 */
const QEMU_CACHE = { auto: 'always,timeout=1', always: 'always', never: 'none' } as const;

/** The arguments of the daemon; its listening socket is fd 0. */
export function virtiofsdArgv(shared: SharedFolder, flavour: VirtiofsdFlavour): string[] {
  const { daemonPath, dir, cache, extraArgs } = shared;
  if (flavour === 'rust') {
    const own = [
      '--fd=0',
      `--shared-dir=${dir}`,
      `--cache=${cache}`,
      '--sandbox=namespace',
      '--announce-submounts',
    ];
    return [daemonPath, ...own, '--xattr', '--log-level=warn', ...extraArgs];
  }
  // Commas part options here; a backslash keeps one in a value.
  const source = dir.replace(/[\\,]/g, '\\$&');
  const options = [
    'sandbox=namespace',
    'announce_submounts',
    'xattr',
    'flock',
    'posix_lock',
    'log_level=warn',
  ];
  // A blocking lock of a guest process would otherwise stop the only worker.
  const own = [
    '--fd=0',
    '-f',
    '-o',
    `source=${source}`,
    '-o',
    `cache=${QEMU_CACHE[cache]},${options.join(',')}`,
  ];
  return [daemonPath, ...own, ...extraArgs];
}

/** Name of the socket in the VM's folder while the VMM connects. */
export const FS_SOCKET = 'fs.sock';

export interface VirtiofsdOptions {
  readonly shared: SharedFolder;
  readonly flavour: VirtiofsdFlavour;
  /** The VM's folder. */
  readonly dir: string;
  readonly cgroup?: Cgroup | undefined;
}

/**
 * Starts the daemon on a socket that listens already, so the VMM can connect at once and nobody polls for it.
 * The socket lies at `<dir>/fs.sock`; the caller removes it when the VMM has connected.
 * @throws Error when it cannot be started; the socket is gone then.
 */
export async function startVirtiofsd(options: VirtiofsdOptions): Promise<VmChild> {
  const { dir, shared, flavour, cgroup } = options;
  await using listener = await listen(dir);
  const argv = virtiofsdArgv(shared, flavour);
  try {
    // As fd 0, because libuv makes only the standard descriptors blocking, and the daemon accepts without waiting.
    return await VmChild.start({ name: 'virtiofsd', argv, cwd: dir, cgroup, stdin: listener.fd });
  } catch (error) {
    rmSync(join(dir, FS_SOCKET), { force: true });
    throw error;
  }
}

interface Listener extends AsyncDisposable {
  readonly fd: number;
}

/**
 * Closing it unlinks the path it was bound to, so the socket is renamed and stays reachable for the VMM. Bound
 * through `/proc/self/fd`, because a socket's path may have 107 bytes only.
 */
async function listen(dir: string): Promise<Listener> {
  const folder = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  const server = createServer();
  const close = async () => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
    closeSync(folder);
  };
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(`/proc/self/fd/${folder}/${FS_SOCKET}.new`, 1, resolve);
    });
    renameSync(join(dir, `${FS_SOCKET}.new`), join(dir, FS_SOCKET));
    return { fd: descriptorOf(server), [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw new Error(`cannot make the socket ${join(dir, FS_SOCKET)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Node gives no public way to the descriptor of a server; its handle has had this field since 0.x. */
function descriptorOf(server: Server): number {
  const fd: unknown = Reflect.get(Object(Reflect.get(server, '_handle')), 'fd');
  if (typeof fd === 'number' && fd >= 0) return fd;
  throw new Error('this Node does not show the descriptor of a listening socket');
}
