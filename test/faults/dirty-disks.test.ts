// What a container has written to a disk of its own and not synced: a process of the host would not lose it by its end, so a VM
// that is killed at that end must not either.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, defaultCapabilities, type Spec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const options = { timeout: 120_000, skip: !runtime.isVm && 'runc has no disks' };
const MIB = 8;

const { fake, clean } = await useFakeContainerd();

/** A block device of the host with an empty file system, and the checksum of what it holds at its begin. */
async function device(name: string) {
  const image = join(fake.dir, `${name}.img`);
  writeFileSync(image, '');
  truncateSync(image, (4 * MIB) << 20);
  await mustRun('mkfs.ext4', ['-q', image]);
  const loop = (await mustRun('losetup', ['--find', '--show', image])).stdout.trim();
  return {
    loop,
    rdev: statSync(loop).rdev,
    sum: () => sha256(readFileSync(loop).subarray(0, MIB << 20)),
    free: () => mustRun('losetup', ['--detach', loop]),
  };
}

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

/** The checksum of a file in the file system of a device. */
async function sumInside(loop: string, name: string): Promise<string> {
  const at = join(fake.dir, 'at');
  mkdirSync(at, { recursive: true });
  await mustRun('mount', ['-t', 'ext4', '-o', 'ro', loop, at]);
  try {
    return sha256(readFileSync(join(at, name)));
  } finally {
    await mustRun('umount', [at]);
  }
}

/** A container with the device as /dev/sdb. */
function withDisk(id: string, rdev: number, script: string): Spec {
  const spec = containerSpec(['sh', '-c', script], `/${fake.namespace}/${id}`);
  const numbers = { major: (rdev >>> 8) & 0xfff, minor: (rdev & 0xff) | ((rdev >>> 12) & 0xfff00) };
  spec.linux.devices = [{ path: '/dev/sdb', type: 'b', ...numbers, fileMode: 0o660, uid: 0, gid: 0 }];
  spec.linux.resources = {
    devices: [
      { allow: false, access: 'rwm' },
      { allow: true, type: 'b', ...numbers, access: 'rwm' },
    ],
  };
  return spec;
}

/** Writes the disk through the page cache alone and says what it has written. */
const WRITE = `dd if=/dev/urandom of=/dev/shm/data bs=1M count=${MIB} 2>/dev/null; sha256sum /dev/shm/data; `;
const COPY = 'dd if=/dev/shm/data of=/dev/sdb bs=1M conv=notrunc 2>/dev/null; echo written; ';

const killed = async (shim: Shim): Promise<void> => {
  await shim.task.kill({ id: shim.id, signal: 9, all: true });
};

const cases: readonly {
  readonly name: string;
  readonly script: string;
  readonly change?: (spec: Spec) => void;
  readonly end?: (shim: Shim) => Promise<void>;
  /** The file in the disk's file system that was written; absent: the disk itself. */
  readonly file?: string;
}[] = [
  { name: 'its writer ends', script: WRITE + COPY },
  {
    name: 'it is killed while it holds the disk open',
    script: `exec 4<>/dev/sdb; ${WRITE}${COPY}exec sleep 1000`,
    end: killed,
  },
  {
    name: 'another process of the container holds the disk open at its end',
    script: `sleep 1000 4<>/dev/sdb & ${WRITE}${COPY}`,
  },
  {
    name: 'a process that is not in its pid namespace holds the disk open at its end',
    script: `sleep 1000 4<>/dev/sdb & ${WRITE}${COPY}`,
    change: (spec) => {
      spec.linux.namespaces = spec.linux.namespaces.filter(({ type }) => type !== 'pid');
    },
  },
  {
    name: 'a file system that it has mounted from the disk is still mounted at its end',
    script:
      `${WRITE}mkdir -p /tmp/at; mount -t ext4 /dev/sdb /tmp/at && cp /dev/shm/data /tmp/at/ && echo written; ` +
      'exec sleep 1000',
    end: killed,
    file: 'data',
    change: (spec) => {
      const caps = [...defaultCapabilities, 'CAP_SYS_ADMIN'];
      spec.process.capabilities = {
        bounding: caps,
        effective: caps,
        permitted: caps,
        inheritable: [],
        ambient: [],
      };
    },
  },
  {
    name: 'its shim is told to end (SIGTERM)',
    script: `exec 4<>/dev/sdb; ${WRITE}${COPY}exec sleep 1000`,
    end: async (shim) => void process.kill(await shim.pid(), 'SIGTERM'),
  },
];

for (const [number, { name, script, change, end, file }] of cases.entries()) {
  test(`what a container wrote to a disk is there although ${name}`, options, async () => {
    const id = `dirty${number}`;
    const disk = await device(id);
    try {
      const spec = withDisk(id, disk.rdev, script);
      change?.(spec);
      const shim = await fake.shim(id, spec);
      const io = await shim.run();
      await io.expect(/written/, 60_000);
      await end?.(shim);
      await within(
        'exit',
        30_000,
        shim.task.wait({ id }).catch(() => undefined),
      );
      await shim.remove();
      const written = /[0-9a-f]{64}/.exec(io.output)?.[0];
      assert.equal(file === undefined ? disk.sum() : await sumInside(disk.loop, file), written);
      await assertNothingNew(fake, clean, [id]);
    } finally {
      await disk.free();
    }
  });
}
