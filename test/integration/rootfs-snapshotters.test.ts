// Snapshotters whose layers are images: the VM gets them as disks and the host mounts none of them.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { describe, mustRun } from '../../scripts/stand/command.ts';
import { Containerd } from '../../scripts/stand/containerd.ts';
import { type ContainerdFlavour, withoutModule } from '../../scripts/stand/fetch-containerd.ts';
import { imageName, writeImage, writeRootfs } from '../../scripts/stand/image.ts';
import { mountsBelow } from '../../scripts/stand/mounts.ts';
import { cacheDir, scratchDir } from '../../scripts/stand/paths.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import type { Mount } from '../../src/gen/types.ts';
import { FakeContainerd } from '../support/fake-containerd.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';

const skip = !runtime.isVm && 'it is about VMs';
if (withoutModule !== undefined) console.error(`\n*** ${withoutModule} ***\n`);
const skipModule = skip || (withoutModule ?? false);

/** Runs a container twice on one snapshot, and one more beside it that shares its layers. */
async function useSnapshotter(
  name: string,
  flavour: ContainerdFlavour,
  plugins: string,
  root: RegExp,
): Promise<void> {
  await using daemon = await Containerd.start({ flavour, image: false, plugins });
  const archive = join(cacheDir, 'busybox.tar');
  await writeImage(archive);
  const where = ['--snapshotter', name];
  // The transfer service of 2.x unpacks for its configured snapshotter only.
  const local = flavour === '2.3' ? ['--local'] : [];
  await daemon.mustCtr(['images', 'import', ...local, ...where, archive], { timeoutMs: 120_000 });
  const clean = belongings(daemon);
  const run = (id: string, script: string) =>
    daemon.ctr(['run', '--runtime', runtime.name, ...where, imageName, id, 'sh', '-c', script], {
      timeoutMs: 120_000,
    });
  const script = 'cat /file || echo first > /file; grep " / " /proc/mounts; id app; chmod 600 /etc/passwd';
  const first = await run('one', script);
  assert.equal(first.code, 0, describe(first));
  assert.match(first.stdout, root);
  assert.match(first.stdout, /uid=1000\(app\)/);
  const again = await daemon.ctr(['task', 'start', 'one'], { timeoutMs: 120_000 });
  assert.match(again.stdout, /^first$/m, describe(again));
  const other = await run('two', 'ls /file; stat -c %a /etc/passwd');
  assert.match(other.stdout, /^644$/m, describe(other));
  assert.match(other.stderr, /No such file/, 'another container has none of it');
  const mounted = mountsBelow(daemon.dir).filter(
    (path) => path.includes('snapshots') || path.includes('rootfs'),
  );
  assert.deepEqual(mounted, [], 'nothing of a root is mounted on the host');
  for (const id of ['one', 'two']) {
    await daemon.ctr(['task', 'delete', id]);
    await daemon.mustCtr(['container', 'delete', id]);
  }
  await assertNothingNew(daemon, clean, ['one', 'two']);
}

const erofs = (options: string) => `
[plugins."io.containerd.service.v1.diff-service"]
default = ["walking"]
[plugins."io.containerd.snapshotter.v1.erofs"]
${options}
`;

test(
  'erofs of containerd 2.3: layers read-only, what is written on a disk in the snapshot',
  { skip: skipModule, timeout: 280_000 },
  () =>
    useSnapshotter(
      'erofs',
      '2.3',
      erofs(''),
      /^overlay \/ overlay .*lowerdir=\S+\/one\/0,upperdir=\S+\/disk\/upper/m,
    ),
);

test('erofs of containerd 2.3 with a writable image of its own', { skip: skipModule, timeout: 280_000 }, () =>
  useSnapshotter(
    'erofs',
    '2.3',
    erofs('default_size = "512MiB"'),
    /^overlay \/ overlay .*upperdir=\S+\/one\/0\/upper/m,
  ),
);

test('blockfile: an ext4 image for each snapshot', { skip, timeout: 600_000 }, async () => {
  const dir = await scratchDir('blockfile');
  try {
    const scratch = join(dir, 'scratch');
    await image(scratch, ['mkfs.ext4', '-q', '-F', '-m', '0']);
    const options = `scratch_file = "${scratch}"\nfs_type = "ext4"\nmount_options = ["loop"]\nrecreate_scratch = true\n`;
    const plugins = `\n[plugins."io.containerd.snapshotter.v1.blockfile"]\n${options}`;
    await useSnapshotter('blockfile', 'trixie', plugins, /^\/dev\/vdb \/ ext4/m);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

/** What a fsmerge of containerd gives: an erofs of names alone, with its data on the layers. */
test('an erofs that has its data on other disks', { skip, timeout: 120_000 }, async () => {
  const dir = await scratchDir('fsmerge');
  const fake = await FakeContainerd.start();
  try {
    const [meta, data] = [join(dir, 'meta'), join(dir, 'data')];
    await mustRun('mkfs.erofs', ['--chunksize=4096', `--blobdev=${data}`, meta, join(fake.dir, 'image')]);
    const [overlay] = await fake.rootfs('merged');
    const options = overlay!.options.filter((option) => /^(upper|work)dir=/.test(option));
    const rootfs: Mount[] = [
      { type: 'erofs', source: meta, target: '', options: ['ro', 'loop', `device=${data}`] },
      { ...overlay!, type: 'format/mkdir/overlay', options: [...options, 'lowerdir={{ mount 0 }}'] },
    ];
    const script = 'echo written > /file; cat /file; sha256sum /bin/busybox';
    const shim = await fake.shim('merged', containerSpec(['sh', '-c', script], `/${fake.namespace}/merged`));
    const io = await shim.run({ rootfs });
    const { stdout } = await mustRun('sha256sum', [join(fake.dir, 'image/bin/busybox')]);
    await io.expect(new RegExp(`written\\n${stdout.split(' ')[0]}`));
    await shim.remove();
  } finally {
    await fake.stop();
    rmSync(dir, { recursive: true });
  }
});

/** There is no device mapper here; what its snapshotter gives is a node and a type, as this. */
test('a block device of the host, as devmapper gives it', { skip, timeout: 120_000 }, async () => {
  const dir = await scratchDir('device');
  const fake = await FakeContainerd.start();
  const disk = join(dir, 'disk');
  await image(disk, ['mkfs.ext4', '-q', '-F']);
  const { stdout } = await mustRun('losetup', ['--find', '--show', disk]);
  const source = stdout.trim();
  try {
    const at = join(dir, 'at');
    mkdirSync(at);
    await mustRun('mount', [source, at]);
    await writeRootfs(at);
    await mustRun('umount', [at]);
    const rootfs: Mount[] = [{ type: 'ext4', source, target: '', options: ['discard'] }];
    const script = 'grep " / " /proc/mounts; echo written > /file';
    const shim = await fake.shim('device', containerSpec(['sh', '-c', script], `/${fake.namespace}/device`));
    const io = await shim.run({ rootfs });
    await io.expect(/^\/dev\/vdb \/ ext4 rw/m);
    assert.equal((await shim.task.wait({ id: 'device' }, { timeoutMs: 60_000 })).exitStatus, 0);
    await shim.remove();
    await mustRun('mount', [source, at]);
    const found = await mustRun('cat', [join(at, 'file')]);
    await mustRun('umount', [at]);
    assert.equal(found.stdout, 'written\n');
  } finally {
    await fake.stop();
    await mustRun('losetup', ['--detach', source]);
    rmSync(dir, { recursive: true });
  }
});

async function image(path: string, [mkfs = '', ...options]: readonly string[]): Promise<void> {
  writeFileSync(path, '');
  truncateSync(path, 300 << 20);
  await mustRun(mkfs, [...options, path]);
}
