import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ClassifiedMount, MountTableEntry } from '../../oci/mounts.ts';
import { boundMemory, levelOf } from './memory-bounds.ts';

const MIB = 2 ** 20;
const NODE = 24 * 1024;
const folder = '/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir';

const entry = (name: string, mib: number | undefined, type = 'tmpfs'): MountTableEntry => ({
  ...{ mountPoint: `${folder}/${name}`, type, device: '0:9', root: '/', options: [] },
  superOptions: mib === undefined ? ['rw'] : ['rw', `size=${mib * 1024}k`],
});

const shm = (mib?: number): ClassifiedMount => ({
  ...{ index: 0, mount: { destination: '/dev/shm' }, kind: 'shm', readOnly: false, reason: '' },
  sizeBytes: mib === undefined ? undefined : mib * MIB,
});

const volume = (name: string, mib: number | undefined): ClassifiedMount => ({
  ...{ index: 1, mount: { destination: `/${name}` }, kind: 'ephemeral', readOnly: false, reason: '' },
  volume: { path: `${folder}/${name}`, subPath: '' },
  sizeBytes: mib === undefined ? undefined : mib * MIB,
});

/** Sizes in MiB that a container gets for its shared memory and its volumes, of which the pod may have more. */
function bounds(
  vmMemoryMib: number,
  asked: Record<string, number | undefined>,
  { more = [], isSingle = false }: { more?: MountTableEntry[]; isSingle?: boolean } = {},
): number[] {
  const { shm: ofShm, ...volumes } = asked;
  const mounts = Object.entries(volumes).map(([name, mib]) => volume(name, mib));
  const mountTable = [...Object.entries(volumes).map(([name, mib]) => entry(name, mib)), ...more];
  const bounded = boundMemory(['shm' in asked ? [shm(ofShm)] : [], mounts].flat(), {
    ...{ mountTable, vmMemoryMib, isSingle },
  });
  return bounded.map(({ sizeBytes }) => Math.round(sizeBytes! / MIB));
}

const cases: readonly [name: string, actual: () => number[], expected: number[]][] = [
  ['what fits is as it is asked for', () => bounds(1024, { shm: 64, a: 100, b: 500 }), [64, 100, 500]],
  ['none asked for: containerd and Docker have 64 MiB', () => bounds(1024, { shm: undefined }), [64]],
  ["the node's memory in a VM", () => bounds(1024, { shm: 64, a: NODE }), [64, 704]],
  ['a tmpfs without any size', () => bounds(1024, { shm: 64, a: undefined }), [64, 704]],
  ['two of them', () => bounds(1024, { shm: 64, a: NODE, b: NODE }), [64, 352, 352]],
  ['a small one keeps what it asks for', () => bounds(1024, { shm: 64, a: NODE, b: 100 }), [64, 604, 100]],
  [
    'volumes of the pod that this container does not have count',
    () => bounds(1024, { shm: 64, a: NODE }, { more: [entry('b', NODE)] }),
    [64, 352],
  ],
  [
    'those of other pods do not',
    () =>
      bounds(1024, { a: NODE }, { more: [{ ...entry('b', NODE), mountPoint: '/pods/other/volumes/e/b' }] }),
    [704],
  ],
  [
    'huge pages are not there for others',
    () => bounds(1024, { shm: 64, a: NODE }, { more: [entry('h', 512, 'hugetlbfs')] }),
    [64, 320],
  ],
  ['a covered mount point counts once', () => bounds(1024, { a: NODE }, { more: [entry('a', NODE)] }), [704]],
  ['a small VM', () => bounds(178, { shm: 64, a: 100 }), [41, 41]],
  ['the smallest VM', () => bounds(64, { shm: 64, a: NODE }), [8, 8]],
  ['a large shared memory of a pod', () => bounds(1024, { shm: 4096, a: NODE }), [384, 384]],
  ['of a single container', () => bounds(1024, { shm: 4096 }, { isSingle: true }), [768]],
];

for (const [name, actual, expected] of cases) {
  test(`boundMemory: ${name}`, () => assert.deepEqual(actual(), expected));
}

test('boundMemory: together never more than what leaves the guest its memory', () => {
  for (const vm of [64, 100, 178, 384, 1024, 65_536])
    for (const asked of [1, 10, 50, 300, NODE]) {
      const all = bounds(vm, { shm: asked, a: asked, b: 30, c: NODE });
      const total = all.reduce((sum, one) => sum + one, 0);
      assert.ok(total <= Math.max(vm - Math.max(96, vm / 4), vm / 4) + all.length, `${vm}: ${all}`);
    }
});

test('other mounts stay as they are', () => {
  const other: ClassifiedMount = {
    ...{ index: 0, mount: { destination: '/x' }, kind: 'dir-bind', readOnly: false, reason: '' },
  };
  const view = { mountTable: [], vmMemoryMib: 64, isSingle: false };
  assert.deepEqual(boundMemory([other], view), [other]);
});

test('levelOf: nothing to share', () => {
  assert.equal(levelOf([], 5), Number.POSITIVE_INFINITY);
  assert.equal(levelOf([3], -5), 0);
});
