/** File descriptors of Node's sockets and servers, to be inherited by children, and of inherited pipes. */
import { constants, openSync } from 'node:fs';
import type { Server, Socket } from 'node:net';

/**
 * The descriptor of a socket. Node has no public way to get it, only this field of its handle. A socket that is passed
 * to a child as a number keeps working here; Node would stop reading from one passed as an object.
 * @throws Error when the socket has no descriptor.
 */
export function descriptorOf(socket: Server | Socket): number {
  const fd: unknown = Reflect.get(Object(Reflect.get(socket, '_handle')), 'fd');
  if (typeof fd === 'number' && fd >= 0) return fd;
  throw new Error('this Node does not show the descriptor of a socket');
}

/**
 * Reopens the file behind a descriptor so that writes to it never block: `O_NONBLOCK` belongs to the open file
 * description, which a process shares with its parent, and libuv clears it on a child's descriptors 0, 1 and 2.
 * @returns the new descriptor, or the same one when it cannot be reopened (a socket).
 */
export function reopenNonBlocking(fd: number): number {
  try {
    // Read-write, because a FIFO without a reader cannot be opened for writing alone.
    return openSync(`/proc/self/fd/${fd}`, constants.O_RDWR | constants.O_APPEND | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}
