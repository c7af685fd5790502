import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Mount, Namespace, Spec } from '../oci/spec.ts';
import { type PlanRequest, type PlanView, planContainer, sortMounts } from './container-plan.ts';
import type { RootPlan } from './root/root-parts.ts';
import { Share } from './volumes/share.ts';

let dir: string;
let share: Share;
before(async () => {
  dir = mkdtempSync(join(tmpdir(), 'bulkhead-plan-'));
  for (const name of ['data', 'other']) mkdirSync(join(dir, name));
  writeFileSync(join(dir, 'data', 'file'), 'x');
  share = await Share.create(dir);
});
after(async () => {
  await share.close();
  rmSync(dir, { recursive: true });
});

const emptyDir = '/var/lib/kubelet/pods/u/volumes/kubernetes.io~empty-dir/cache';

function view(more: Partial<PlanView> = {}): PlanView {
  const tmpfs = { type: 'tmpfs', superOptions: ['size=4096k'], device: '0:9' };
  return {
    diskEmptyDir: 'share',
    volumeContent: () => 'empty',
    localDir: '/shared/pod/rootfs/local',
    diskSizeMib: 300,
    fileKind: () => 'dir',
    mountTable: [{ ...tmpfs, mountPoint: emptyDir, root: '/', options: ['rw', 'nosuid'] }],
    ownership: () => ({ mode: 0o2777, gid: 7 }),
    containerOf: () => undefined,
    blockDevice: (major, minor) => (major === 7 ? `/dev/loop${minor}` : undefined),
    deviceNumbers: () => ({ major: 7, minor: 3 }),
    identity: (path) => path,
    ...more,
  };
}

function planFor(request: PlanRequest, seen: PlanView) {
  const sorted = sortMounts(request, seen);
  return planContainer(request, sorted, share.reserve(request.id, sorted.volumes), seen);
}

function plan(id: string, mounts: readonly Mount[], namespaces: readonly Namespace[] = [], seen = view()) {
  const spec: Spec = {
    process: { args: ['sh'], cwd: '/' },
    root: { path: 'rootfs' },
    mounts,
    linux: { namespaces },
  };
  return planFor({ id, bundle: dir, spec, root, vmMemoryMib: 1024 }, seen);
}

const root: RootPlan = {
  ...{ mode: 'shared', host: [], storages: [], guestPath: '/shared/a/rootfs', reason: '' },
};

const bind = (source: string, options: readonly string[] = ['rbind']): Mount => ({
  ...{ destination: '/x', type: 'bind', source },
  options,
});

test('read-only and writing containers do not share a mount, except for an emptyDir on disk', async () => {
  const source = join(dir, 'other');
  const [writes] = plan('a', [bind(source)]).spec.mounts!;
  const [reads] = plan('b', [bind(source, ['rbind', 'ro'])]).spec.mounts!;
  assert.notEqual(writes!.source, reads!.source);
  const noMounts = view({ mountTable: [] });
  const [first] = plan('c', [bind(emptyDir)], [], noMounts).spec.mounts!;
  const [second] = plan('d', [bind(emptyDir, ['rbind', 'ro'])], [], noMounts).spec.mounts!;
  assert.equal(first!.source, second!.source);
  assert.deepEqual(second!.options, ['rbind', 'ro'], 'the guest keeps it read-only for that container');
  for (const id of ['a', 'b', 'c', 'd']) await share.removeContainer(id);
});

test('what only the pod changes lies apart from what others change too', async () => {
  const images = '/run/containerd/io.containerd.grpc.v1.cri/image-volumes';
  const mounts = [
    bind(join(dir, 'data')),
    bind(join(dir, 'data'), ['rbind', 'ro']),
    bind(emptyDir),
    bind(`${images}/pod/image`, ['rbind', 'ro']),
    bind(`${images}/pod/image`),
  ];
  const places = plan('a', mounts, [], view({ mountTable: [] })).spec.mounts!.map(({ source }) =>
    source!.split('/').at(-2),
  );
  assert.deepEqual(places, ['volumes', 'volumes', 'private', 'private', 'volumes']);
  await share.removeContainer('a');
});

test('a memory-backed emptyDir: size, mode, group and flags of the host; a subPath is a folder in it', () => {
  const { storages, spec } = plan('a', [bind(`${emptyDir}/sub`)]);
  const [volume, folder] = storages;
  assert.equal(volume!.driver, 'ephemeral');
  assert.deepEqual(volume!.options, ['size=4194304', 'nosuid', 'mode=2777', 'fsgid=7']);
  assert.deepEqual([folder!.driver, folder!.mountPoint], ['local', `${volume!.mountPoint}/sub`]);
  assert.equal(spec.mounts![0]!.source, folder!.mountPoint);
});

test('volumes of the same name in different places are different volumes', () => {
  const other = '/elsewhere/kubernetes.io~empty-dir/cache';
  const seen = view();
  const both = view({ mountTable: [...seen.mountTable, { ...seen.mountTable[0]!, mountPoint: other }] });
  const { storages } = plan('a', [bind(emptyDir), bind(other)], [], both);
  assert.notEqual(storages[0]!.mountPoint, storages[1]!.mountPoint);
});

test("pid namespaces: own, the pod's, the host's (which is the pod's), that of another container", () => {
  const target = view({ containerOf: (pid) => (pid === 42 ? 'aimed-at' : undefined) });
  const pidOf = (namespaces: readonly Namespace[]) => {
    const { spec, sandboxPidns } = plan('a', [], namespaces, target);
    return [sandboxPidns, spec.linux!.namespaces!.find(({ type }) => type === 'pid')!.path];
  };
  assert.deepEqual(pidOf([{ type: 'pid' }]), [false, undefined]);
  assert.deepEqual(pidOf([{ type: 'pid', path: '/proc/7/ns/pid' }]), [true, undefined]);
  assert.deepEqual(pidOf([]), [true, undefined]);
  assert.deepEqual(pidOf([{ type: 'pid', path: '/proc/42/ns/pid' }]), [false, 'container:aimed-at']);
});

test('block devices: listed and bound ones are disks; all of the host, for a privileged container, are not', () => {
  const spec = (linux: Spec['linux'], mounts: readonly Mount[] = []): Spec => ({
    process: { args: ['sh'], cwd: '/' },
    root: { path: 'rootfs' },
    mounts,
    linux: linux!,
  });
  const disksOf = (given: Spec, seen = view()) =>
    planFor({ id: 'a', bundle: dir, spec: given, root, vmMemoryMib: 1024 }, seen);
  const devices = [
    { path: '/dev/xvda', type: 'b', major: 7, minor: 1 },
    { path: '/dev/null', type: 'c', major: 1, minor: 3 },
  ];
  const rule = { allow: true, type: 'b', major: 7, minor: 1, access: 'r' };
  const listed = disksOf(spec({ devices, resources: { devices: [{ allow: false, access: 'rwm' }, rule] } }));
  assert.deepEqual(listed.disks, [{ source: '/dev/loop1', readOnly: true, containerPath: '/dev/xvda' }]);
  assert.equal(listed.spec.linux!.devices!.length, 2);
  const all = { devices, resources: { devices: [{ allow: true, access: 'rwm' }] } };
  assert.deepEqual(disksOf(spec(all)).disks, []);
  assert.equal(disksOf(spec(all)).spec.linux!.devices!.length, 1);
  const bound = disksOf(spec({}, [bind('/dev/loop3')]), view({ fileKind: () => 'block' }));
  assert.deepEqual(bound.disks, [{ source: '/dev/loop3', readOnly: false, containerPath: '/x' }]);
  assert.deepEqual([bound.spec.mounts, bound.spec.linux!.devices![0]!.path], [[], '/x']);
});

test('bidirectional propagation is refused', () => {
  assert.throws(() => plan('a', [bind(join(dir, 'data'), ['rbind', 'rshared'])]), /bidirectional/);
});

test('mapped owners: on the host for what is shared, by its owner for what the guest makes', async () => {
  const ids = [{ containerID: 0, hostID: 70_000, size: 65_536 }];
  const source = join(dir, 'other');
  const mapped = (mount: Mount): Mount => ({ ...mount, uidMappings: ids, gidMappings: ids });
  const { spec, storages } = plan('m', [
    mapped(bind(source, ['rbind', 'idmap'])),
    bind(source),
    mapped(bind(emptyDir)),
  ]);
  const [one, other] = spec.mounts!;
  assert.deepEqual(one, { ...bind(one!.source!), options: ['rbind'] }, 'nothing is left to map in the guest');
  assert.notEqual(one!.source, other!.source, 'one with other owners is another volume');
  assert.deepEqual(storages[0]!.options, ['size=4194304', 'nosuid', 'mode=2777', 'uid=70000', 'fsgid=70007']);
  await share.removeContainer('m');
});
