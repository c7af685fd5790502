/** Descriptors of Node's sockets and servers, for children that inherit them. */
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
