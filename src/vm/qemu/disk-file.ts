/** Files behind disks. The VMM may open none itself: each is opened here, as what it was checked to be. */
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

/** QEMU's word for what a path leads to. */
export function diskKind(path: string): 'file' | 'host_device' {
  return statSync(path).isBlockDevice() ? 'host_device' : 'file';
}

/** @throws Error when it cannot be opened, or is neither a file nor a block device. */
export function openDisk({ path, readOnly, isOwn = false }: OpenDisk): number {
  const { O_RDONLY, O_RDWR, O_NONBLOCK, O_NOFOLLOW } = constants;
  // Not blocking: a FIFO would wait for its other end.
  const flags = (readOnly ? O_RDONLY : O_RDWR) | O_NONBLOCK | (isOwn ? O_NOFOLLOW : 0);
  const fd = openSync(path, flags);
  const stat = fstatSync(fd);
  if (stat.isFile() || (stat.isBlockDevice() && !isOwn)) return fd;
  closeSync(fd);
  throw new Error(`${path} is neither a file nor a block device`);
}

/**
 * Gives a running QEMU a file.
 * @returns the number of the set that it is in now (`remove-fd` takes it away again).
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
    throw new Error('QEMU does not tell where it has put the file');
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
