import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { DiskSpec } from '../../vm/hypervisor.ts';
import { Disks } from './disks.ts';
import type { GuestStorage } from './guest-storage.ts';
import { imageProblem, SUPERBLOCK_BYTES } from './superblock.ts';

const dir = mkdtempSync(join(tmpdir(), 'bulkhead-disks-'));
after(() => rmSync(dir, { recursive: true }));

class Plug {
  readonly added: DiskSpec[] = [];
  readonly removed: string[] = [];
  isBroken = false;
  async addDisk(disk: DiskSpec) {
    if (this.isBroken) throw new Error('no');
    this.added.push(disk);
  }
  async removeDisk(serial: string) {
    if (this.isBroken) throw new Error('no');
    this.removed.push(serial);
  }
}

const signal = AbortSignal.timeout(60_000);
const path = join(dir, 'volume.ext4');
const storage: GuestStorage = {
  ...{ driver: 'blk', source: '', fstype: 'ext4', options: ['rw'], mountPoint: '/m', shared: true },
  disk: { path, readOnly: false, make: { sizeBytes: 300 << 20, workDir: dir } },
};

test('a disk is made once, plugged in once and taken out with its last user', async () => {
  const plug = new Plug();
  const disks = new Disks(plug);
  const both = await Promise.all(['a', 'b'].map((id) => disks.storages(id, [storage], signal)));
  assert.deepEqual(both[0], both[1]);
  assert.deepEqual(plug.added, [{ serial: 'bulkhead-disk-1', path, readOnly: false, isOwn: true }]);
  assert.equal(both[0]![0]!.source, 'serial:bulkhead-disk-1');
  assert.equal('disk' in both[0]![0]!, false);
  const { size, blocks } = statSync(path);
  assert.equal(size, 300 << 20);
  assert.ok(blocks * 512 < 8 << 20, 'sparse');
  assert.equal(existsSync(`${path}.new`), false);
  await disks.release('a');
  assert.deepEqual(plug.removed, []);
  await disks.release('b');
  assert.deepEqual(plug.removed, ['bulkhead-disk-1']);
});

test('what a VM has from its boot on is not plugged in again, nor taken out', async () => {
  const plug = new Plug();
  const disks = new Disks(plug, [{ serial: 'bulkhead-root-0', path, readOnly: false }]);
  const [named] = await disks.storages('a', [storage], signal);
  assert.equal(named!.source, 'serial:bulkhead-root-0');
  await disks.release('a');
  assert.deepEqual([plug.added, plug.removed], [[], []]);
});

const use = (name: string, readOnly = false) => ({ source: join(dir, name), readOnly, containerPath: '/d' });

test('a container that comes while the last user goes: out, and in again under another name', async () => {
  const plug = new Plug();
  const disks = new Disks(plug);
  await disks.use('a', [use('x')]);
  const [, [device]] = await Promise.all([disks.release('a'), disks.use('b', [use('x')])]);
  assert.deepEqual(plug.removed, ['bulkhead-disk-1']);
  assert.equal(device!.id, 'serial:bulkhead-disk-2', 'the guest cannot mistake it for the one that goes');
  assert.ok(disks.isUsedBy('b') && !disks.isUsedBy('a'));
});

test('one for who writes, another for who only reads', async () => {
  const plug = new Plug();
  await new Disks(plug).use('a', [use('x'), use('x', true), use('x')]);
  assert.deepEqual(
    plug.added.map(({ readOnly }) => readOnly),
    [false, true],
  );
});

test("what cannot be plugged in is nobody's, and the next container can try again", async () => {
  const plug = new Plug();
  const disks = new Disks(plug);
  await disks.use('a', [use('x')]);
  plug.isBroken = true;
  await assert.rejects(disks.use('b', [use('x'), use('y')]), /no/);
  plug.isBroken = false;
  await disks.release('b');
  assert.deepEqual(plug.removed, [], 'the one that another has stays');
  await disks.use('b', [use('y')]);
  assert.equal(plug.added.length, 2);
});

test("what the guest does not let go of is told, once, and stands in nobody's way", async () => {
  const plug = new Plug();
  const disks = new Disks(plug);
  await disks.use('a', [use('x')]);
  plug.isBroken = true;
  await assert.rejects(disks.release('a'), /no/);
  await disks.release('a');
  plug.isBroken = false;
  const [device] = await disks.use('b', [use('x')]);
  assert.equal(device!.id, 'serial:bulkhead-disk-2');
});

test('no mkfs.ext4: the error says what to install', () => {
  const script = `import { provideDisk } from '${import.meta.dirname}/disk-image.ts';
    await provideDisk({ path: '${dir}/none', readOnly: false, make: { sizeBytes: 1 << 28, workDir: '${dir}' } }, 'ext4')
      .catch((error) => console.log(error.code, error.message));`;
  const hide = 'for f in $(type -ap mkfs.ext4); do mount --bind /dev/null $(readlink -f $f); done; exec "$@"';
  const node = [process.execPath, '--input-type=module-typescript', '-e', script];
  const output = execFileSync('unshare', ['--mount', 'bash', '-c', hide, 'sh', ...node], {
    encoding: 'utf8',
  });
  assert.match(
    output,
    /^failed-precondition .*there is no mkfs\.ext4 on this host; apt-get install e2fsprogs/,
  );
  assert.equal(existsSync(`${dir}/none`), false);
});

test('superblocks of real file systems, whole and cut off', () => {
  const image = join(dir, 'image');
  const look = (fstype: string, size: number) => {
    const block = execFileSync('head', ['-c', String(SUPERBLOCK_BYTES), image]);
    return imageProblem(fstype, block, size);
  };
  writeFileSync(image, '');
  truncateSync(image, 64 << 20);
  execFileSync('mkfs.ext4', ['-q', '-F', image]);
  assert.equal(look('ext4', 64 << 20), undefined);
  assert.match(look('ext4', 63 << 20)!, /has 67108864 bytes, of which 66060288 are there/);
  assert.match(look('erofs', 64 << 20)!, /holds no erofs/);
  assert.equal(look('ext4', 0), 'it is empty');
  rmSync(image);
  execFileSync('mkfs.erofs', ['--quiet', image, join(import.meta.dirname, '..', 'root')]);
  const { size } = statSync(image);
  assert.equal(look('erofs', size), undefined);
  assert.match(look('erofs', size - 4096)!, /of which/);
  const xfs = Buffer.alloc(SUPERBLOCK_BYTES);
  xfs.write('XFSB');
  xfs.writeUInt32BE(4096, 4);
  xfs.writeBigUInt64BE(100n, 8);
  assert.equal(imageProblem('xfs', xfs, 409_600), undefined);
  assert.match(imageProblem('xfs', xfs, 409_599)!, /has 409600 bytes/);
});
