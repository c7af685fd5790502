// Finds what the configuration leaves empty: the installation's own files, and QEMU on this machine.

import fs from 'node:fs';
import path from 'node:path';
import { arch } from 'node:process';

/** Set by the bundler's CommonJS wrapper: `$PREFIX/lib/bulkhead`. */
declare const __dirname: string | undefined;

const QEMU_ELSEWHERE = ['/usr/libexec/qemu-kvm'];
const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

/** The first executable of that name in $PATH, which may be short in a container manager, then in the usual folders. */
export function findInPath(name: string): string | undefined {
  return `${process.env.PATH ?? ''}:${SYSTEM_PATH}`
    .split(':')
    .filter((dir) => dir.startsWith('/'))
    .map((dir) => path.join(dir, name))
    .find(isExecutable);
}

/**
 * The root of this installation: the tree with bin, lib and share. Derived from the running bundle, so that `build/`
 * runs in place and an installed tree may be moved; `build/` of the working directory when run from source.
 */
export function installationPrefix(): string {
  return typeof __dirname === 'string' ? path.resolve(__dirname, '../..') : path.resolve('build');
}

/** The program that mounts and unmounts. */
export function mountHelper(): string {
  return path.join(installationPrefix(), 'lib/bulkhead/bulkhead-mount');
}

/** The program that serves the shared folder to the guest. */
export function filesProgram(): string {
  return path.join(installationPrefix(), 'lib/bulkhead/bulkhead-files');
}

/** `$PREFIX/share/bulkhead`. */
export function shareDir(): string {
  return path.join(installationPrefix(), 'share/bulkhead');
}

/** QEMU for this machine's architecture; when there is none, a path for the error that follows. */
export function findQemu(): string {
  const name = `qemu-system-${arch === 'arm64' ? 'aarch64' : 'x86_64'}`;
  return findInPath(name) ?? QEMU_ELSEWHERE.find(isExecutable) ?? `/usr/bin/${name}`;
}
