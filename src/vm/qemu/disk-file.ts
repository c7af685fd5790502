/** Files behind disks. The VMM cannot open any itself: they are opened and checked here. */
import { spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { installationPrefix } from '../../config/locate.ts';
import { descriptorOf } from '../../host/descriptor.ts';
import { childEnv } from '../../host/process.ts';
import type { DiskSpec } from '../hypervisor.ts';
import type { QmpClient } from './qmp.ts';

type OpenDisk = Omit<DiskSpec, 'serial'>;

/** QEMU's block driver for what is at a path. */
export function diskKind(path: string): 'file' | 'host_device' {
  return statSync(path).isBlockDevice() ? 'host_device' : 'file';
}

/** Opens a disk's file. @throws Error when that fails, or it is neither a file nor a block device. */
export function openDisk({ path, readOnly, isOwn = false }: OpenDisk): number {
  const { O_RDONLY, O_RDWR, O_NONBLOCK, O_NOFOLLOW } = constants;
  // Non-blocking, because opening a FIFO would wait for its other end.
  const flags = (readOnly ? O_RDONLY : O_RDWR) | O_NONBLOCK | (isOwn ? O_NOFOLLOW : 0);
  const fd = openSync(path, flags);
  const stat = fstatSync(fd);
  if (stat.isFile() || (stat.isBlockDevice() && !isOwn)) return fd;
  closeSync(fd);
  throw new Error(`${path} is neither a file nor a block device`);
}

/**
 * Passes a file to a running QEMU.
 * @returns the id of the fd set that it is in (`remove-fd` removes it again).
 * @throws QmpError, or Error when the file cannot be opened.
 */
export async function handOver(qmp: QmpClient, disk: OpenDisk): Promise<number> {
  const fd = openDisk(disk);
  try {
    const send = (line: string) => sendWith(descriptorOf(qmp.channel as Socket), line, fd);
    const answer = (await qmp.execute('add-fd', { opaque: disk.path }, { send })) as {
      readonly 'fdset-id'?: unknown;
    };
    const set = answer['fdset-id'];
    if (typeof set === 'number') return set;
    throw new Error('QEMU did not return an fd set for the file');
  } finally {
    closeSync(fd);
  }
}

function sendWith(channel: number, line: string, fd: number): Promise<void> {
  const helper = join(installationPrefix(), 'lib/bulkhead/bulkhead-hand-over');
  const child = spawn(helper, [line], { env: childEnv(), stdio: ['ignore', 'ignore', 'pipe', channel, fd] });
  let stderr = '';
  child.stderr?.on('data', (data: Buffer) => {
    if (stderr.length < 1024) stderr += data.toString('latin1');
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`the file could not be handed over: ${stderr.trim() || `code ${code}`}`));
    });
  });
}
