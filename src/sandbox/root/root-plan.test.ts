import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RootfsMount } from '../task-event.ts';
import type { RootView } from './root-parts.ts';
import { planRoot } from './root-plan.ts';

const DISK = '/s/7/fs/bulkhead-root-disk.ext4';
const settings = { mode: 'disk', diskSizeMib: 300 } as const;

const view = (content: 'empty' | 'disk' | 'files' = 'empty'): RootView => ({
  upper: () => ({ content, mode: 0o40755, uid: 5, gid: 6 }),
});

const overlay = (lower: string, ...more: string[]): RootfsMount => ({
  ...{ type: 'overlay', source: 'overlay', target: '' },
  options: ['index=off', 'workdir=/s/7/work', 'upperdir=/s/7/fs', `lowerdir=${lower}`, ...more],
});

function plan(
  rootfs: readonly RootfsMount[],
  seen = view(),
  mode: 'shared' | 'disk' = 'disk',
  isReadOnly = false,
) {
  return planRoot(
    { id: 'c', rootfs, isReadOnly, sharedPath: '/shared/c/rootfs' },
    { ...settings, mode },
    seen,
  );
}

test('an overlay: its lower folders are one folder of the host, read-only; its upper is on a disk in the snapshot', () => {
  const { mode, host, storages, guestPath } = plan([overlay('/s/2/fs:/s/1/fs', 'uidmap=0:5:9')]);
  assert.equal(mode, 'disk');
  const options = ['ro', 'lowerdir=/s/2/fs:/s/1/fs', 'index=off', 'uidmap=0:5:9'];
  assert.deepEqual(host, [{ type: 'overlay', source: 'overlay', target: '', options }]);
  const [disk, root] = storages;
  const make = { sizeBytes: 300 << 20, workDir: '/s/7/work' };
  assert.deepEqual(disk!.disk, { path: DISK, readOnly: false, make });
  assert.ok(root!.options.includes('lowerdir=/shared/c/rootfs'));
  assert.ok(
    root!.options.some((option) => option.endsWith('/disk/upper:755:5:6')),
    'owner and mode of the folder',
  );
  assert.equal(guestPath, root!.mountPoint);
});

test('a single lower folder is bound', () => {
  const [lower] = plan([overlay('/s/a\\:b/fs', 'uidmap=0:5:9', 'gidmap=0:5:9')]).host;
  assert.deepEqual(lower, {
    ...{ type: 'bind', source: '/s/a:b/fs', target: '' },
    options: ['bind', 'ro', 'uidmap=0:5:9', 'gidmap=0:5:9'],
  });
});

test('where a root is once, it stays', () => {
  assert.equal(plan([overlay('/l')], view('files')).mode, 'shared');
  assert.equal(plan([overlay('/l')], view('disk'), 'shared').mode, 'disk');
  assert.equal(plan([overlay('/l')], view('disk'), 'disk', true).mode, 'disk');
  assert.equal(plan([overlay('/l')], view('empty'), 'shared').mode, 'shared');
  assert.equal(plan([overlay('/l')], view('empty'), 'disk', true).mode, 'shared');
});

test('what has no upper folder is shared as it is', () => {
  const bind: RootfsMount = { type: 'bind', source: '/root', target: '', options: ['rbind'] };
  const readOnly: RootfsMount = { ...overlay(''), options: ['lowerdir=/s/2/fs:/s/1/fs'] };
  for (const rootfs of [[bind], [readOnly], []]) {
    const { mode, host, guestPath } = plan(rootfs);
    assert.deepEqual([mode, host, guestPath], ['shared', rootfs, '/shared/c/rootfs']);
  }
});

const at = (index: number) => `/run/kata-containers/sandbox/rootfs/c/${index}`;
const erofs = (path: string, ...more: string[]): RootfsMount => ({
  ...{ type: 'erofs', source: path, target: '' },
  options: ['ro', 'loop', ...more],
});

test('a block device or an image is the root, whatever the mode says', () => {
  const mount: RootfsMount = {
    type: 'xfs',
    source: '/dev/mapper/x',
    target: '',
    options: ['nouuid', 'loop'],
  };
  const { mode, host, storages, guestPath } = plan([mount], view(), 'shared');
  assert.deepEqual([mode, host, guestPath], ['disk', [], at(0)]);
  assert.deepEqual(storages[0]!.options, ['rw', 'nouuid']);
  assert.deepEqual(storages[0]!.disk, { path: '/dev/mapper/x', readOnly: false, make: undefined });
});

test('erofs layers with an upper folder of the host: a disk takes its place', () => {
  const format: RootfsMount = { ...overlay('{{ overlay 0 1 }}'), type: 'format/mkdir/overlay' };
  const { host, storages } = plan([erofs('/a'), erofs('/b'), format], view(), 'shared');
  assert.deepEqual(host, []);
  assert.deepEqual(
    storages.map(({ disk }) => disk?.path),
    ['/a', '/b', DISK, undefined],
  );
  assert.ok(storages[3]!.options.includes(`lowerdir=${at(0)}:${at(1)}`));
  assert.throws(
    () => plan([erofs('/a'), erofs('/b'), { ...format, options: [...format.options, 'uidmap=0:1:1'] }]),
    /mapped owners/,
  );
});

test('erofs layers with a disk of the manager, and one that has its data on others', () => {
  const rootfs: RootfsMount[] = [
    {
      ...{ type: 'mkfs/ext4', source: '/s/7/rw.img', target: '' },
      options: ['X-containerd.mkfs.fs=ext4', 'X-containerd.mkfs.size=1048576', 'rw', 'loop'],
    },
    erofs('/meta', 'device=/a', 'device=/b'),
    {
      ...{ type: 'format/mkdir/overlay', source: 'overlay', target: '' },
      options: [
        ...['X-containerd.mkdir.path={{ mount 0 }}/upper:0755', 'workdir={{ mount 0 }}/work'],
        ...['upperdir={{ mount 0 }}/upper', 'lowerdir={{ mount 1 }}'],
      ],
    },
  ];
  const [upper, meta, root] = plan(rootfs).storages;
  assert.deepEqual(upper!.disk!.make, { sizeBytes: 1 << 20, workDir: '/s/7' });
  assert.deepEqual(upper!.options, ['rw']);
  assert.deepEqual(meta!.options, ['ro', 'device={{ disk 0 }}', 'device={{ disk 1 }}']);
  assert.deepEqual(meta!.devices, [
    { path: '/a', readOnly: true },
    { path: '/b', readOnly: true },
  ]);
  const options = [
    ...[`X-containerd.mkdir.path=${at(0)}/upper:0755`, `workdir=${at(0)}/work`],
    ...[`upperdir=${at(0)}/upper`, `lowerdir=${at(1)}`, 'xino=on'],
  ];
  assert.deepEqual(root!.options, options, 'nothing that a commit by the manager would not understand');
});
