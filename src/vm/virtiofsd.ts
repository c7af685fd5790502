/** The daemon that exports the sandbox's shared folder to the guest: QEMU's own (C) or the Rust one. */
import { closeSync, constants, existsSync, openSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import { join } from 'node:path';
import { runCommand } from '../host/command.ts';
import { descriptorOf } from '../host/descriptor.ts';
import { type SharedFolder, VmError } from './hypervisor.ts';
import { JAILED_SHARE, type JailPlace, shareJail } from './jail.ts';
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

/**
 * What becomes of the extended attributes that a guest sets. Those that mean something to the host (`trusted.*`, which
 * overlay file systems read, and labels of security modules) are kept under a name that means nothing to it;
 * capabilities of files pass, as in any container, and so does `user.*`, except under that name. ACLs would pass, but the
 * daemons offer none so far.
 */
const XATTR_MAP = [
  ':ok:all:security.capability:security.capability:',
  ':ok:all:system.posix_acl_:system.posix_acl_:',
  ':bad:client:user.virtiofs.::',
  ':prefix:client:trusted.:user.virtiofs.:',
  ':prefix:client:security.:user.virtiofs.:',
  ':prefix:server::user.virtiofs.:',
  ':ok:all:user.:user.:',
  ':bad:all:::',
].join('');

/**
 * The arguments of the daemon; its listening socket is fd 0. `killpriv_v2`: when another user than root cuts a file off, as
 * when it writes, setuid and setgid bits go.
 */
export function virtiofsdArgv(shared: SharedFolder, flavour: VirtiofsdFlavour): string[] {
  const { daemonPath, cache, extraArgs } = shared;
  // The launcher has set the limit of descriptors.
  const own = ['--fd=0', '--rlimit-nofile=0'];
  if (flavour === 'rust') {
    own.push(`--shared-dir=${JAILED_SHARE}`, '--sandbox=chroot', `--cache=${cache}`, '--announce-submounts');
    // Handles would need a capability by which files outside of the share can be opened.
    own.push('--inode-file-handles=never');
    own.push('--xattr', `--xattrmap=${XATTR_MAP}`, '--killpriv-v2', '--log-level=warn');
  } else {
    // Without `posix_lock` and `flock`: the daemon refuses locks that wait. The guest's kernel keeps them, as with the other.
    const options = ['sandbox=chroot', 'announce_submounts', 'xattr', 'killpriv_v2', 'log_level=warn'];
    own.push('-f', '-o', `source=${JAILED_SHARE}`, '-o', `cache=${QEMU_CACHE[cache]},${options.join(',')}`);
    own.push('-o', `xattrmap=${XATTR_MAP}`);
  }
  return [daemonPath, ...own, ...extraArgs];
}

/** Name of the socket in the VM's folder until the VMM's end of it is connected. */
const SOCKET = 'fs.sock';

export interface VirtiofsdOptions extends JailPlace {
  readonly shared: SharedFolder;
  readonly flavour: VirtiofsdFlavour;
  readonly signal?: AbortSignal;
}

/** The daemon, which may still be starting, and the VMM's connection to it, of which nothing was read. */
export interface Share {
  readonly daemon: Promise<VmChild>;
  readonly connection: Socket;
}

/**
 * Starts the daemon. It serves one connection, which it finds waiting, and ends with it.
 * @throws Error; nothing of it is left then.
 */
export async function startVirtiofsd(options: VirtiofsdOptions): Promise<Share> {
  const { dir, shared, flavour, signal } = options;
  const jail = shareJail(virtiofsdArgv(shared, flavour), { ...options, shared: shared.dir });
  const folder = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const server = await listen(dir, folder);
    // As fd 0, because libuv makes only the standard descriptors blocking, and the daemon accepts without waiting.
    const daemon = VmChild.start({ name: 'virtiofsd', jail, stdin: descriptorOf(server), signal });
    daemon.catch(() => undefined); // for who waits for it
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return { daemon, connection: await connect(at(folder, SOCKET), daemon) };
  } finally {
    rmSync(join(dir, SOCKET), { force: true });
    closeSync(folder);
  }
}

/** A socket's path may have 107 bytes only. */
function at(folder: number, name: string): string {
  return `/proc/self/fd/${folder}/${name}`;
}

/** Closing the server unlinks the path it was bound to, so the socket is renamed and stays reachable. */
async function listen(dir: string, folder: number): Promise<Server> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(at(folder, `${SOCKET}.new`), 1, resolve);
    });
    renameSync(join(dir, `${SOCKET}.new`), join(dir, SOCKET));
    return server;
  } catch (error) {
    server.close();
    throw new Error(`cannot make the socket ${join(dir, SOCKET)}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** The VMM's end, which is not read from here. The daemon's launcher listens; the daemon need not have come up. */
function connect(path: string, daemon: Promise<VmChild>): Promise<Socket> {
  const socket = new Socket();
  socket.pause();
  return new Promise((resolve, reject) => {
    const failed = async (cause: Error) => {
      const child = await daemon.catch(reject);
      await child?.end(0);
      reject(new Error(child?.stderr().trim() || `it cannot be reached: ${cause.message}`, { cause }));
    };
    socket.once('error', failed);
    socket.connect(path, () => {
      socket.off('error', failed);
      socket.on('error', () => undefined); // the VMM's matter
      resolve(socket);
    });
  });
}
