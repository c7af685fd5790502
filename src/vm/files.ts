/** The daemon that exports the sandbox's shared folder to the guest: bulkhead-files (native/files). */
import { closeSync, constants, openSync, renameSync, rmSync } from 'node:fs';
import { createServer, type Server, Socket } from 'node:net';
import { join } from 'node:path';
import { descriptorOf } from '../host/descriptor.ts';
import { PacedReading } from '../host/paced-reading.ts';
import type { SharedFolder } from './hypervisor.ts';
import { filesJail, JAILED_SHARE, type JailPlace } from './jail.ts';
import { VmChild } from './vm-child.ts';

/** The daemon's arguments. Its listening socket is fd 0; it sends notices on fd 3. */
export function filesArgv({ program, mostFiles }: SharedFolder): string[] {
  return [program, JAILED_SHARE, String(mostFiles)];
}

/** Name of the socket in the VM's folder, until the VMM's end is connected. */
const SOCKET = 'fs.sock';

export interface FilesOptions extends JailPlace {
  readonly shared: SharedFolder;
  readonly signal?: AbortSignal;
}

/** The daemon, which may still be starting, and the VMM's end of the connection, which nobody has read from. */
export interface FilesDaemon {
  readonly daemon: Promise<VmChild>;
  readonly connection: Socket;
}

/**
 * Starts the daemon. It serves the one connection waiting for it, and exits when that closes.
 * @throws Error; nothing of the daemon is left then.
 */
export async function startFiles(options: FilesOptions): Promise<FilesDaemon> {
  const { dir, shared, signal } = options;
  const jail = filesJail(filesArgv(shared), { ...options, shared: shared.dir });
  const folder = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const server = await listen(dir, folder);
    // As fd 0, because libuv makes only the standard descriptors blocking, and the daemon needs accept(2) to block.
    const daemon = VmChild.start({ name: 'files', jail, stdin: descriptorOf(server), channels: 1, signal });
    daemon.catch(() => undefined); // its rejection is for whoever awaits it
    await new Promise<void>((resolve) => server.close(() => resolve()));
    return { daemon, connection: await connect(at(folder, SOCKET), daemon) };
  } finally {
    rmSync(join(dir, SOCKET), { force: true });
    closeSync(folder);
  }
}

/** A compromised daemon may write without end. */
const NOTICE_PACE = { burst: 20, perSecond: 5, pauseMs: 100 };

/**
 * Calls a listener whenever the daemon reports that the guest holds many files.
 * @param listener its argument is true when the guest, although asked to forget files, holds even more.
 */
export function onManyFiles(daemon: VmChild, listener: (again: boolean) => void): void {
  const [notices] = daemon.channels;
  if (notices === undefined) return;
  // Notices that arrive together count as one.
  notices.on('data', (data: Buffer) => listener(data.includes('more')));
  new PacedReading(notices, NOTICE_PACE);
}

/** A short path to a socket in the folder: a socket's path is limited to 107 bytes. */
function at(folder: number, name: string): string {
  return `/proc/self/fd/${folder}/${name}`;
}

/** Closing the server unlinks the path it was bound to; renaming the socket keeps it reachable. */
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

/** The VMM's end, which is not read from here. The socket is listening already; the daemon need not be up. */
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
      socket.on('error', () => undefined); // handled by the VMM
      resolve(socket);
    });
  });
}
