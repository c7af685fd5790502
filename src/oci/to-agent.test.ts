import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Spec as ProtoSpec } from '../gen/agent.ts';
import type { Linux, RunnableSpec } from './spec.ts';
import { toGuestResources, toGuestSpec } from './to-agent.ts';
import { toProtoProcess, toProtoResources, toProtoSpec, withoutProtoForm } from './to-proto.ts';

const plan = { containerId: 'c1', rootfs: '/guest/c1/rootfs', mounts: new Map() };

function spec(linux: Record<string, unknown> = {}, more: Record<string, unknown> = {}): RunnableSpec {
  return {
    ociVersion: '1.1.0',
    hostname: 'h',
    process: {
      args: ['sh'],
      cwd: '/',
      user: { uid: 5, gid: 6, additionalGids: [7] },
      apparmorProfile: 'cri-containerd.apparmor.d',
      selinuxLabel: 'x',
      rlimits: [{ type: 'RLIMIT_NOFILE', hard: 18446744073709551615n, soft: 1024 }],
      capabilities: { bounding: ['CAP_KILL', 'CAP_FUTURE'] },
    },
    root: { path: 'rootfs', readonly: true },
    linux: {
      namespaces: [{ type: 'mount' }, { type: 'uts' }, { type: 'ipc' }, { type: 'pid' }],
      ...linux,
    } as Linux,
    ...more,
  };
}

const guestLinux = (linux: Record<string, unknown>) =>
  toGuestSpec(spec(linux), plan).spec.linux as Record<string, unknown>;

test('the root is a path in the guest, and stays read-only', () => {
  assert.deepEqual(toGuestSpec(spec(), plan).spec.root, { path: '/guest/c1/rootfs', readonly: true });
});

test('what only means something on the host is left out', () => {
  const { spec: guest, notes } = toGuestSpec(
    spec(
      { intelRdt: {}, mountLabel: 'm' },
      { hooks: { startContainer: [{ path: '/x' }] }, annotations: { 'run.oci.handler': 'krun', a: 'b' } },
    ),
    plan,
  );
  assert.equal('hooks' in guest, false);
  assert.equal('intelRdt' in (guest.linux ?? {}), false);
  assert.equal('mountLabel' in (guest.linux ?? {}), false);
  assert.deepEqual(guest.annotations, { a: 'b' });
  assert.equal(guest.process.apparmorProfile, undefined);
  assert.equal('selinuxLabel' in guest.process, false);
  assert.deepEqual(guest.process.rlimits, spec().process.rlimits);
  assert.equal(notes.length, 2);
});

test('namespaces: no paths, no network, always a new pid and cgroup namespace', () => {
  const namespaces = [
    { type: 'network', path: '/var/run/netns/x' },
    { type: 'ipc', path: '/proc/5/ns/ipc' },
    { type: 'time' },
    { type: 'mount' },
  ];
  assert.deepEqual(guestLinux({ namespaces }).namespaces, [
    { type: 'pid' },
    { type: 'cgroup' },
    { type: 'ipc' },
    { type: 'mount' },
  ]);
});

test('a host name needs a uts namespace', () => {
  assert.equal(toGuestSpec(spec(), plan).spec.hostname, 'h');
  assert.equal('hostname' in toGuestSpec(spec({ namespaces: [{ type: 'mount' }] }), plan).spec, false);
});

test('mounts are replaced and dropped by position', () => {
  const mounts = ['/a', '/b', '/c'].map((destination) => ({ destination, type: 'bind', source: '/host' }));
  const replaced = { destination: '/a', type: 'bind', source: '/guest' };
  const added = { ...replaced, destination: '/a/b' };
  const guest = toGuestSpec(spec({}, { mounts }), {
    ...plan,
    mounts: new Map([
      [0, [replaced, added]],
      [1, []],
    ]),
  });
  assert.deepEqual(guest.spec.mounts, [replaced, added, mounts[2]]);
});

test('resources: what the guest can enforce', () => {
  const resources = {
    cpu: { shares: 2, quota: 5, period: 6, burst: 1, cpus: '0-3', mems: '0', realtimeRuntime: 1 },
    memory: { limit: 10, swap: 20, swappiness: 5, kernel: 1, disableOOMKiller: true, reservation: 3 },
    pids: { limit: 7 },
    blockIO: { weight: 5 },
    network: { classID: 1 },
    rdma: {},
    hugepageLimits: [
      { pageSize: '2MB', limit: 0 },
      { pageSize: '1GB', limit: 1073741824 },
    ],
    unified: { 'memory.high': '5', 'io.max': '8:0 rbps=1', 'cpuset.cpus': '0' },
    devices: [{ allow: false, access: 'rwm' }],
  };
  assert.deepEqual(guestLinux({ resources }).resources, {
    cpu: { shares: 2, quota: 5, period: 6, burst: 1 },
    memory: { limit: 10, reservation: 3 },
    pids: { limit: 7 },
    hugepageLimits: [{ pageSize: '1GB', limit: 1073741824 }],
    unified: { 'memory.high': '5' },
    devices: [{ allow: false, access: 'rwm' }],
  });
});

test('devices: only those that mean the same in the guest', () => {
  const devices = [
    { path: '/dev/null', type: 'c', major: 1, minor: 3 },
    { path: '/dev/sda', type: 'b', major: 8, minor: 0 },
    { path: '/dev/fuse', type: 'c', major: 10, minor: 229 },
    { path: '/dev/kvm', type: 'c', major: 10, minor: 232 },
    { path: '/dev/pipe', type: 'p' },
  ];
  const { spec: guest, notes } = toGuestSpec(spec({ devices }), plan);
  assert.deepEqual(
    guest.linux?.devices?.map((device) => device.path),
    ['/dev/null', '/dev/fuse', '/dev/pipe'],
  );
  assert.match(notes.join(), /2 devices of the host are not in the guest: \/dev\/sda, \/dev\/kvm/);
});

test('seccomp, sysctls and masked paths are kept', () => {
  const seccomp = {
    defaultAction: 'SCMP_ACT_ERRNO',
    syscalls: [{ names: ['read'], action: 'SCMP_ACT_ALLOW' }],
  };
  const kept = {
    sysctl: { 'net.core.somaxconn': '5' },
    maskedPaths: ['/proc/kcore'],
    readonlyPaths: ['/proc/sys'],
  };
  const guest = guestLinux({ ...kept, seccomp: { ...seccomp, listenerPath: '/run/x.sock' } });
  assert.deepEqual(guest.seccomp, seccomp);
  for (const [key, value] of Object.entries(kept)) assert.deepEqual(guest[key], value);
});

test('converting does not modify its input', () => {
  const given = spec({ resources: { cpu: { cpus: '0' } } }, { hooks: { poststop: [] } });
  const before = structuredClone(given);
  toGuestSpec(given, plan);
  assert.deepEqual(given, before);
});

test('protobuf form: nothing that other agents panic on', () => {
  const mounts = [
    { destination: '/proc', type: 'proc' },
    { destination: '/x', source: '/y', options: ['rbind'] },
  ];
  const { spec: guest } = toGuestSpec(
    spec({ resources: { pids: { limit: 5 }, memory: { limit: 9 } } }, { mounts }),
    plan,
  );
  const proto = ProtoSpec.decode(ProtoSpec.encode(toProtoSpec(guest)));
  assert.deepEqual(
    proto.linux?.namespaces.map(({ type }) => type),
    ['mount', 'uts', 'ipc'],
  );
  assert.deepEqual(
    proto.mounts.map(({ source, type }) => [source, type]),
    [
      ['proc', 'proc'],
      ['/y', 'bind'],
    ],
  );
  assert.deepEqual(proto.process?.capabilities?.bounding, ['CAP_KILL']);
  assert.equal(proto.linux?.resources?.pids, undefined);
  assert.equal(proto.linux?.resources?.memory?.limit, 9n);
  assert.equal(proto.process?.rlimits[0]?.hard, 18446744073709551615n);
  assert.deepEqual(proto.process?.user?.additionalGids, [7]);
  assert.equal(proto.root?.readonly, true);
});

test('protobuf form: a process without capabilities still has that message', () => {
  assert.notEqual(toProtoProcess({ args: ['a'], cwd: '/' }).capabilities, undefined);
});

test('protobuf form: resources of an update', () => {
  const proto = toProtoResources(
    toGuestResources({ cpu: { quota: -1, period: 100_000 }, pids: { limit: 9 } }),
  );
  assert.equal(proto.cpu?.quota, -1n);
  assert.equal(proto.pids?.limit, 9n);
  assert.equal(proto.memory, undefined);
});

test('protobuf form: what it has no field for is named', () => {
  assert.deepEqual(withoutProtoForm({ cpu: { quota: 1 }, unified: {} }), []);
  const all = withoutProtoForm({ cpu: { burst: 0, idle: 1 }, unified: { 'memory.high': '5' } });
  assert.deepEqual(all, ['cpu.burst', 'cpu.idle', 'unified "memory.high"']);
});
