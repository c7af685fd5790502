import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { VmError, type VmSpec } from './hypervisor.ts';
import { checkSpec } from './preflight.ts';

const dir = mkdtempSync(join(tmpdir(), 'bulkhead-preflight-'));
after(() => rmSync(dir, { recursive: true }));

function file(name: string, content: string | Buffer, mode = 0o644): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

const elf = Buffer.concat([Buffer.from([0x7f]), Buffer.from('ELF'), Buffer.alloc(1024)]);
const bzImage = Buffer.concat([Buffer.alloc(0x202), Buffer.from('HdrS'), Buffer.alloc(600)]);
const program = file('qemu', elf, 0o755);
const folder = join(dir, 'folder');
mkdirSync(folder);

const good: VmSpec = {
  id: 'x',
  dir,
  vcpus: 1,
  memoryMib: 128,
  uid: 2_000_000_000,
  kernel: file('vmlinux', elf),
  image: file('image', Buffer.alloc(4096)),
  kernelParams: '',
  accelerator: 'tcg',
  hypervisorPath: program,
  shared: { dir, program, mostFiles: 1000 },
};

test('a good spec passes, and a bzImage does too', () => {
  assert.equal(checkSpec(good).accelerator, 'tcg');
  assert.equal(checkSpec({ ...good, kernel: file('bzImage', bzImage) }).accelerator, 'tcg');
});

const shared = (path: string) => ({ dir, program: path, mostFiles: 1000 });

const bad: [string, Partial<VmSpec>, RegExp][] = [
  [
    'no QEMU',
    { hypervisorPath: '/no/qemu' },
    /the hypervisor \/no\/qemu does not exist; install it .*vm\.path/,
  ],
  ['QEMU is a folder', { hypervisorPath: folder }, /is not a file/],
  [
    'QEMU is a script',
    { hypervisorPath: file('script', '#!/bin/sh\n', 0o755) },
    /is a script, and there is no/,
  ],
  ['QEMU not executable', { hypervisorPath: file('plain', 'x') }, /is not executable/],
  [
    'no file system daemon',
    { shared: shared('/no/files') },
    /the file system daemon \/no\/files does not exist; .*make build/,
  ],
  ['no kernel', { kernel: '/no/k' }, /the guest kernel \/no\/k does not exist; .*make guest.*vm\.kernel/],
  ['kernel is a folder', { kernel: folder }, /is not a file/],
  [
    'a kernel for root alone',
    { kernel: file('secret', elf, 0o600) },
    /cannot be read by the user of the VM; chmod/,
  ],
  ['empty kernel', { kernel: file('empty', '') }, /empty is empty/],
  ['garbage kernel', { kernel: file('garbage', 'x'.repeat(5000)) }, /neither an ELF file nor a bzImage/],
  ['no image', { image: '/no/i' }, /the guest image \/no\/i does not exist; .*make guest.*vm\.image/],
  ['empty image', { image: file('empty-image', '') }, /is empty/],
  ['tiny image', { image: file('tiny', 'x') }, /has only 1 bytes/],
  ['image is a folder', { image: folder }, /neither a file nor a block device/],
  ['no folder', { dir: '/no/dir' }, /the VM's folder \/no\/dir does not exist/],
  ['no vCPU', { vcpus: 0 }, /0 vCPUs is no size/],
  ['half a vCPU', { vcpus: 1.5 }, /1\.5 vCPUs/],
  ['too many vCPUs', { vcpus: 100_000 }, /100000 vCPUs/],
  ['too little memory', { memoryMib: 1 }, /1 MiB is too little/],
  [
    'more memory than the host has',
    { memoryMib: 2 ** 30 },
    /would need 1073741824 MiB of memory, this host has \d+ MiB/,
  ],
  ['control characters', { kernelParams: 'a\nb' }, /control characters/],
];

for (const [name, change, pattern] of bad) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => checkSpec({ ...good, ...change }),
      (error: unknown) => {
        assert.ok(error instanceof VmError);
        assert.equal(error.stage, 'check');
        assert.match(error.message, pattern);
        return true;
      },
    );
  });
}
