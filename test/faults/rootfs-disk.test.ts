// Disks of roots that are damaged, not ours, taken or on a host that is full: clear words, nothing left, and the VM lives.
import assert from 'node:assert/strict';
import {
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { mustRun } from '../../scripts/stand/command.ts';
import { scratchDir } from '../../scripts/stand/paths.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import type { Mount } from '../../src/gen/types.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';

const skip = !runtime.isVm && 'it is about VMs';
const DISK = 'bulkhead-root-disk.ext4';

let fake: FakeContainerd;
let scratch: string;
let clean: Belongings;
before(async () => {
  scratch = await scratchDir('disk');
  const config = join(scratch, 'config.toml');
  writeFileSync(config, '[rootfs]\nmode = "disk"\ndisk_size_mib = 512\n');
  fake = await FakeContainerd.start(runtime, { BULKHEAD_CONFIG: config });
  clean = belongings(fake);
});
after(async () => {
  await fake.stop();
  rmSync(scratch, { recursive: true });
});

const shimOf = (id: string, ...args: string[]): Promise<Shim> =>
  fake.shim(id, containerSpec(args, `/${fake.namespace}/${id}`));

const folderOf = (rootfs: readonly Mount[], name: string): string =>
  rootfs[0]!.options.find((option) => option.startsWith(`${name}=`))!.slice(name.length + 1);
/** The writable folder of a root. */
const upperOf = (rootfs: readonly Mount[]): string => folderOf(rootfs, 'upperdir');
const workOf = (rootfs: readonly Mount[]): string => folderOf(rootfs, 'workdir');

/** Creates a container that must be refused; nothing of it may stay. */
async function refused(id: string, rootfs: Mount[], pattern: RegExp): Promise<void> {
  const shim = await shimOf(id, 'true');
  const outcome = await shim.create({ rootfs }).then(
    () => 'it was created',
    (error: Error) => error.message,
  );
  await shim.remove();
  assert.match(outcome, pattern);
  await assertNothingNew(fake, clean, [id]);
}

/** A root whose disk is what `make` puts there. */
async function rootWith(id: string, make: (disk: string) => void | Promise<void>): Promise<Mount[]> {
  const rootfs = await fake.rootfs(id);
  await make(join(upperOf(rootfs), DISK));
  return rootfs;
}

const mkfs = (path: string): Promise<unknown> => {
  writeFileSync(path, '');
  truncateSync(path, 64 << 20);
  return mustRun('mkfs.ext4', ['-q', '-F', path]);
};

test('what is no disk of ours is refused by name, and stays as it is', { skip }, async () => {
  const target = join(scratch, 'target');
  await mkfs(target);
  const before_ = readFileSync(target);
  const cases: [string, (disk: string) => void | Promise<void>, RegExp][] = [
    [
      'empty',
      (disk) => writeFileSync(disk, ''),
      /root-disk\.ext4 cannot be used: it is empty; .*make it again/,
    ],
    ['garbage', (disk) => writeFileSync(disk, 'x'.repeat(1 << 20)), /cannot be used: it holds no ext4/],
    ['folder', (disk) => mkdirSync(disk), /cannot be used: it is a folder/],
    ['link', (disk) => symlinkSync(target, disk), /cannot be used: it is a symbolic link/],
    ['other-name', (disk) => linkSync(target, disk), /cannot be used: it has other names/],
    ['pipe', async (disk) => void (await mustRun('mkfifo', [disk])), /cannot be used: it is no file/],
    [
      'cut',
      (disk) => mkfs(disk).then(() => truncateSync(disk, 8 << 20)),
      /has 67108864 bytes, of which 8388608 are/,
    ],
  ];
  for (const [name, make, pattern] of cases) {
    const rootfs = await rootWith(name, make);
    await refused(name, rootfs, pattern);
    assert.deepEqual(readdirSync(upperOf(rootfs)), [DISK], name);
  }
  assert.ok(readFileSync(target).equals(before_), 'what a link leads to is untouched');
});

test('a file system that only the guest can tell to be broken', { skip, timeout: 120_000 }, async () => {
  const rootfs = await rootWith('broken', async (disk) => {
    await mkfs(disk);
    // All but the superblock.
    await mustRun('dd', ['if=/dev/urandom', `of=${disk}`, 'bs=1k', 'seek=2', 'count=1000', 'conv=notrunc']);
  });
  await refused('broken', rootfs, /root-disk\.ext4 cannot be mounted in the guest: it may be damaged/);
});

test('erofs garbage of a snapshotter', { skip, timeout: 120_000 }, async () => {
  const layer = join(scratch, 'layer.erofs');
  const mounts = (): Mount[] => [
    { type: 'erofs', source: layer, target: '', options: ['ro', 'loop'] },
    { type: 'format/bind', source: '{{ mount 0 }}', target: '', options: ['ro', 'rbind'] },
  ];
  await refused('no-layer', mounts(), /layer\.erofs cannot be used: it does not exist/);
  writeFileSync(layer, 'x'.repeat(8192));
  await refused('bad-layer', mounts(), /layer\.erofs cannot be used: it holds no erofs/);
  const tree = join(scratch, 'tree');
  mkdirSync(join(tree, 'dir'), { recursive: true });
  writeFileSync(join(tree, 'file'), 'x'.repeat(100_000));
  await mustRun('mkfs.erofs', [layer, tree]);
  truncateSync(layer, 8192);
  await refused('cut-layer', mounts(), /its erofs has \d+ bytes, of which 8192 are there/);
});

test('one disk is never writable for two VMs', { skip, timeout: 120_000 }, async () => {
  const rootfs = await fake.rootfs('first');
  const first = await shimOf('first', 'sh', '-c', 'echo mine > /file; sync; read line; cat /file');
  const io = await first.run({ rootfs, stdin: true });
  const second = await shimOf('second', 'true');
  await assert.rejects(second.create({ rootfs }), (error: Error) => {
    assert.match(error.message, /root-disk\.ext4.*another VM/);
    return true;
  });
  await second.remove();
  io.type('\n');
  await io.expect(/mine/);
  await first.remove();
  await assertNothingNew(fake, clean, ['first', 'second']);
});

/** Where the disk of a root is on a file system of the host that has hardly room. */
async function withSmallHost(size: string, use: (rootfs: Mount[]) => Promise<void>): Promise<void> {
  const small = join(scratch, `small-${size}`);
  mkdirSync(small);
  await mustRun('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', small]);
  try {
    for (const name of ['upper', 'work']) mkdirSync(join(small, name));
    const folders = [`upperdir=${small}/upper`, `workdir=${small}/work`];
    const options = [`lowerdir=${join(fake.dir, 'image')}`, ...folders];
    await use([{ type: 'overlay', source: 'overlay', target: '', options }]);
  } finally {
    await mustRun('umount', [small]);
  }
}

test('the disk of the host is full: an error of the program, and the VM lives', {
  skip,
  timeout: 180_000,
}, async () => {
  await withSmallHost('24m', async (rootfs) => {
    const script = `dd if=/dev/zero of=/big bs=1M count=100 conv=fsync 2>&1; echo code-$?; read line; echo "got $line"; exit 9`;
    const shim = await shimOf('host-full', 'sh', '-c', script);
    const io = await shim.run({ rootfs, stdin: true });
    await io.expect(
      /(No space left on device|Input\/output error|Read-only file system)[\s\S]*code-1/,
      60_000,
    );
    io.type('word\n');
    await io.expect(/got word/);
    assert.equal((await shim.task.wait({ id: 'host-full' }, { timeoutMs: 60_000 })).exitStatus, 9);
    await shim.remove();
    await assertNothingNew(fake, clean, ['host-full']);
  });
});

test('no room even for an empty disk', { skip, timeout: 60_000 }, async () => {
  await withSmallHost('64k', async (rootfs) => {
    await refused('no-room', rootfs, /cannot make a disk of 536870912 bytes at .*root-disk\.ext4: .*/);
    assert.ok(!existsSync(join(upperOf(rootfs), DISK)));
    assert.deepEqual(readdirSync(workOf(rootfs)), []);
  });
});

test('a disk that was not unmounted is mended by its journal', { skip, timeout: 120_000 }, async () => {
  const rootfs = await fake.rootfs('crash');
  const first = await shimOf('crash', 'sh', '-c', 'echo safe > /file; sync; echo synced; sleep 1000');
  const io = await first.run({ rootfs });
  await io.expect(/synced/);
  const vmm = fake.processes().find(({ command }) => /qemu-system/.test(command));
  assert.ok(vmm !== undefined);
  process.kill(vmm.pid, 'SIGKILL');
  assert.equal((await first.task.wait({ id: 'crash' }, { timeoutMs: 30_000 })).exitStatus, 137);
  await first.remove();
  const again = await shimOf('mended', 'cat', '/file');
  const second = await again.run({ rootfs });
  await second.expect(/safe/);
  await again.remove();
  await assertNothingNew(fake, clean, ['crash', 'mended']);
});

test('roots that no VM can have', { skip }, async () => {
  const image = join(scratch, 'image.ext4');
  await mkfs(image);
  const disk: Mount = { type: 'ext4', source: image, target: '', options: [] };
  const bind = (source: string, type = 'format/bind'): Mount => ({
    type,
    source,
    target: '',
    options: ['rbind'],
  });
  await refused('template', [disk, bind('{{ mount 3 }}')], /names a mount that does not come before it/);
  await refused(
    'unknown-type',
    [disk, bind('/x', 'strange/bind')],
    /nothing is known of the mount type "strange\/bind"/,
  );
  await refused('unknown-word', [disk, bind('{{ source 0 }}')], /nothing is known of the template/);
  await refused('far', [disk, bind('{{ overlay 0 99999999 }}')], /names mounts that do not come before it/);
  const made: Mount = { type: 'mkfs/ext4', source: join(dirname(image), 'new'), target: '', options: [] };
  await refused('no-size', [made], /with the size undefined/);
});
