/** Descriptors of Node's sockets and servers, for children that inherit them, and of pipes that were inherited. */
import { constants, openSync } from 'node:fs';
import type { Server, Socket } from 'node:net';

/**
 * Node gives no public way to a descriptor; its handle has had this field since 0.x. Passed to a child as a number, the
 * socket goes on as before, where Node would stop reading from one that is passed as itself.
 */
export function descriptorOf(socket: Server | Socket): number {
  const fd: unknown = Reflect.get(Object(Reflect.get(socket, '_handle')), 'fd');
  if (typeof fd === 'number' && fd >= 0) return fd;
  throw new Error('this Node does not show the descriptor of a socket');
}

/**
 * Opens what a descriptor leads to once more, so that writing to it never waits: `O_NONBLOCK` belongs to the open file,
 * which a process shares with its parent, and libuv takes it away from what a child gets as 0, 1 and 2.
 * @returns the new descriptor, or the same one when it is nothing that has a path (a socket).
 */
export function reopenNonBlocking(fd: number): number {
  try {
    // To read, too: a FIFO that nobody reads cannot be opened for writing alone.
    return openSync(`/proc/self/fd/${fd}`, constants.O_RDWR | constants.O_APPEND | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}
