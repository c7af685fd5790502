/**
 * Where a sandbox's shim listens. Every container of a pod must find the same socket from its annotations alone,
 * so the path is a hash of what they have in common: containerd's address, the namespace and the sandbox id.
 * This is the convention of containerd's own shims: /run/containerd/s/<sha256 hex>, folder 0700, socket 0600.
 */
import { join } from 'node:path';
import { sha256Hex } from '../host/sha256.ts';

const SOCKET_DIR = '/run/containerd/s';
/** sun_path holds 108 bytes, one of them the final NUL. */
const MAX_SOCKET_PATH = 107;

/**
 * The socket path of a sandbox's shim.
 * @throws Error when BULKHEAD_SOCKET_DIR makes it longer than a unix socket path may be.
 */
export function socketPath(containerdAddress: string, namespace: string, sandboxId: string): string {
  const dir = process.env.BULKHEAD_SOCKET_DIR || SOCKET_DIR;
  const path = join(dir, sha256Hex(join(containerdAddress, namespace, sandboxId)));
  const length = Buffer.byteLength(path);
  if (length > MAX_SOCKET_PATH) {
    throw new Error(
      `socket path ${path} has ${length} bytes, but a unix socket path may have ${MAX_SOCKET_PATH}: ` +
        'set BULKHEAD_SOCKET_DIR to a shorter folder',
    );
  }
  return path;
}
