import assert from 'node:assert/strict';
import { test } from 'node:test';
import { classifyMounts, type FileKind, type HostView, isReadOnly } from './mounts.ts';
import type { Mount } from './spec.ts';

const pods = '/var/lib/kubelet/pods/u/volumes';
const emptyDir = `${pods}/kubernetes.io~empty-dir`;

const files: Record<string, FileKind> = {
  '/etc/resolv.conf': 'file',
  '/data': 'dir',
  '/data/sock': 'socket',
  '/data/pipe': 'fifo',
  '/dev/null': 'char',
  '/dev/nvidia0': 'char',
  '/dev/sda': 'block',
  '/mnt/disk': 'block',
  '/dev/dri': 'dir',
  '/dev/shm': 'dir',
  '/run/shm': 'dir',
  '/run/plain': 'dir',
  [`${emptyDir}/mem`]: 'dir',
  [`${emptyDir}/huge`]: 'dir',
  [`${emptyDir}/disk`]: 'dir',
  [`${pods}/kubernetes.io~configmap/c`]: 'dir',
};

function host(diskEmptyDir: 'share' | 'local' = 'share'): HostView {
  return {
    diskEmptyDir,
    fileKind: (path) => files[path],
    mountTable: [
      { mountPoint: '/', type: 'ext4', superOptions: ['rw'] },
      { mountPoint: '/dev/shm', type: 'tmpfs', superOptions: ['rw'] },
      { mountPoint: '/run/shm', type: 'tmpfs', superOptions: ['rw', 'size=65536k'] },
      { mountPoint: `${emptyDir}/mem`, type: 'ext4', superOptions: ['rw'] },
      { mountPoint: `${emptyDir}/mem`, type: 'tmpfs', superOptions: ['rw', 'size=1g'] },
      { mountPoint: `${emptyDir}/huge`, type: 'hugetlbfs', superOptions: ['rw', 'pagesize=2M', 'size=16M'] },
    ],
  };
}

function kindOf(mount: Partial<Mount>, view = host()): string {
  const [found] = classifyMounts([{ destination: '/x', ...mount }], view);
  assert.ok(found && found.reason !== '');
  const sizes = [found.sizeBytes, found.pageSizeBytes].filter((size) => size !== undefined);
  return [found.kind, ...sizes].join(' ');
}

const bind = (source: string, destination = '/x'): Mount => ({
  destination,
  source,
  type: 'bind',
  options: ['rbind'],
});

const table: readonly [name: string, actual: () => string, expected: string][] = [
  ['proc', () => kindOf({ type: 'proc', source: 'proc' }), 'guest'],
  ['tmpfs', () => kindOf({ type: 'tmpfs', source: 'tmpfs' }), 'guest'],
  ['tmpfs at /dev/shm', () => kindOf({ type: 'tmpfs', source: 'shm', destination: '/dev/shm' }), 'guest'],
  ['cgroup', () => kindOf({ type: 'cgroup', source: 'cgroup' }), 'guest'],
  ['ext4', () => kindOf({ type: 'ext4', source: '/dev/sda' }), 'refused'],
  ['nfs', () => kindOf({ type: 'nfs', source: 'host:/x' }), 'refused'],
  ['no type', () => kindOf({ source: '/data' }), 'refused'],
  ['bind by option only', () => kindOf({ source: '/data', options: ['rbind'] }), 'dir-bind'],
  ['bind with type none', () => kindOf({ source: '/data', type: 'none', options: ['bind'] }), 'dir-bind'],
  ['file', () => kindOf(bind('/etc/resolv.conf')), 'file-bind'],
  ['folder', () => kindOf(bind('/data')), 'dir-bind'],
  ['folder with dots in its path', () => kindOf(bind('/var/../data/.')), 'dir-bind'],
  ['socket', () => kindOf(bind('/data/sock')), 'file-bind'],
  ['pipe', () => kindOf(bind('/data/pipe')), 'file-bind'],
  ['missing source', () => kindOf(bind('/nowhere')), 'refused'],
  ['empty source', () => kindOf(bind('')), 'refused'],
  ['relative source', () => kindOf(bind('data')), 'refused'],
  ['/sys', () => kindOf(bind('/sys/fs/cgroup')), 'guest'],
  ['/proc', () => kindOf(bind('/proc/cpuinfo')), 'guest'],
  ['not /proc', () => kindOf(bind('/process')), 'refused'],
  ['/dev/null', () => kindOf(bind('/dev/null')), 'device'],
  ['device of the host', () => kindOf(bind('/dev/nvidia0')), 'refused'],
  ['disk', () => kindOf(bind('/mnt/disk')), 'block-device'],
  ['folder of devices', () => kindOf(bind('/dev/dri')), 'guest'],
  ['shm of the host at another place', () => kindOf(bind('/dev/shm')), 'dir-bind'],
  ['shm of the host', () => kindOf(bind('/dev/shm', '/dev/shm')), 'shm'],
  ['shm of the sandbox', () => kindOf(bind('/run/shm', '/dev/shm')), 'shm 67108864'],
  ['a plain folder at /dev/shm', () => kindOf(bind('/run/plain', '/dev/shm')), 'dir-bind'],
  [
    'emptyDir in memory, which covers another mount',
    () => kindOf(bind(`${emptyDir}/mem`)),
    'ephemeral 1073741824',
  ],
  [
    'emptyDir in memory with a slash at its end',
    () => kindOf(bind(`${emptyDir}/mem/`)),
    'ephemeral 1073741824',
  ],
  ['emptyDir of huge pages', () => kindOf(bind(`${emptyDir}/huge`)), 'hugetlb 16777216 2097152'],
  ['emptyDir on disk, shared', () => kindOf(bind(`${emptyDir}/disk`)), 'dir-bind'],
  ['emptyDir on disk, in the guest', () => kindOf(bind(`${emptyDir}/disk`), host('local')), 'local'],
  ['config map', () => kindOf(bind(`${pods}/kubernetes.io~configmap/c`)), 'dir-bind'],
];

for (const [name, actual, expected] of table) {
  test(`classifyMounts: ${name}`, () => assert.equal(actual(), expected));
}

test('classifyMounts: order, position and read-only', () => {
  const mounts: Mount[] = [
    bind('/data'),
    { ...bind('/data'), options: ['rbind', 'ro'] },
    { destination: '/p', type: 'proc' },
  ];
  const found = classifyMounts(mounts, host());
  assert.deepEqual(
    found.map(({ index, readOnly }) => [index, readOnly]),
    [
      [0, false],
      [1, true],
      [2, false],
    ],
  );
});

test('classifyMounts: a refusal names the place and the reason', () => {
  const [found] = classifyMounts([bind('/nowhere', '/data')], host());
  assert.equal(found?.reason, 'mount at /data: its source /nowhere does not exist on the host');
});

test('isReadOnly: the last word counts', () => {
  assert.equal(isReadOnly(['ro', 'rw']), false);
  assert.equal(isReadOnly(['rw', 'rbind', 'rro']), true);
  assert.equal(isReadOnly([]), false);
});
