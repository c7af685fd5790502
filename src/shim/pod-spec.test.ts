import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NamespaceMode, PodSandboxConfig } from '../gen/pod-sandbox.ts';
import { resolvConf, withPodFiles } from './pod-files.ts';
import { podSpec } from './pod-spec.ts';

const network = { type: 'network', path: '/run/netns/a' };

test("the pod's limits, annotations, host name, sysctls and cgroup shape the stand-in", () => {
  const pod = PodSandboxConfig.create({
    hostname: 'h',
    annotations: new Map([['io.bulkhead.x', '1']]),
    linux: {
      cgroupParent: '/kubepods/pod1',
      sysctls: new Map([['net.core.somaxconn', '7']]),
      resources: { cpuPeriod: 100_000n, cpuQuota: 200_000n, cpuShares: 2n, memoryLimitInBytes: 1n << 30n },
    },
  });
  const spec = podSpec('s', pod, network);
  assert.equal(spec.hostname, 'h');
  assert.deepEqual(spec.linux?.namespaces?.[0], network);
  assert.equal(spec.linux?.cgroupsPath, '/kubepods/pod1/s');
  assert.deepEqual(spec.annotations, {
    'io.bulkhead.x': '1',
    'io.kubernetes.cri.sandbox-cpu-period': '100000',
    'io.kubernetes.cri.sandbox-cpu-quota': '200000',
    'io.kubernetes.cri.sandbox-cpu-shares': '2',
    'io.kubernetes.cri.sandbox-memory': '1073741824',
  });
});

test('nothing told: no limits, no names; no network means that of the host', () => {
  const spec = podSpec('s', PodSandboxConfig.create(), undefined);
  assert.deepEqual(spec.annotations, {});
  assert.equal('hostname' in spec, false);
  assert.ok(!spec.linux?.namespaces?.some(({ type }) => type === 'network'));
});

test('a systemd slice becomes the form that names slice, prefix and id', () => {
  const linux = { cgroupParent: '/kubepods.slice/kubepods-pod1.slice' };
  const spec = podSpec('s', PodSandboxConfig.create({ linux }), network);
  assert.equal(spec.linux?.cgroupsPath, 'kubepods-pod1.slice:cri-containerd:s');
});

test('a user namespace, with its ids', () => {
  const ids = [{ containerId: 0, hostId: 200_000, length: 65_536 }];
  const usernsOptions = { mode: NamespaceMode.POD, uids: ids, gids: ids };
  const pod = PodSandboxConfig.create({
    linux: { securityContext: { namespaceOptions: { usernsOptions } } },
  });
  const { linux } = podSpec('s', pod, network);
  const ranges = [{ containerID: 0, hostID: 200_000, size: 65_536 }];
  assert.deepEqual([linux?.uidMappings, linux?.gidMappings], [ranges, ranges]);
  assert.ok(linux?.namespaces?.some(({ type }) => type === 'user'));
  const node = { ...usernsOptions, mode: NamespaceMode.NODE };
  const plain = PodSandboxConfig.create({
    linux: { securityContext: { namespaceOptions: { usernsOptions: node } } },
  });
  assert.ok(!podSpec('s', plain, network).linux?.namespaces?.some(({ type }) => type === 'user'));
});

test('resolv.conf from the DNS configuration of a pod', () => {
  const dns = { servers: ['10.0.0.1', '10.0.0.2'], searches: ['a', 'b'], options: ['ndots:5'] };
  assert.equal(resolvConf(dns), 'search a b\nnameserver 10.0.0.1\nnameserver 10.0.0.2\noptions ndots:5\n');
  assert.equal(resolvConf(undefined), undefined);
  assert.equal(resolvConf({ servers: [], searches: [], options: [] }), undefined);
});

test("the pod's files are bound where the container brings none of its own", () => {
  const files = new Map([
    ['/etc/hosts', '/b/etc/hosts'],
    ['/etc/hostname', '/b/etc/hostname'],
  ]);
  const own = { destination: '/etc/hosts', type: 'bind', source: '/kubelet/hosts' };
  const { mounts } = withPodFiles({ mounts: [own], root: { path: '/', readonly: true } }, files);
  assert.deepEqual(mounts, [
    own,
    {
      destination: '/etc/hostname',
      type: 'bind',
      source: '/b/etc/hostname',
      options: ['rbind', 'rprivate', 'ro'],
    },
  ]);
});

test('a user namespace that a pod cannot have is refused, not left out', () => {
  const id = { containerId: 0, hostId: 200_000, length: 65_536 };
  const from1 = { ...id, containerId: 1 };
  const bad = [
    { mode: NamespaceMode.CONTAINER, uids: [id], gids: [id] },
    { mode: NamespaceMode.TARGET, uids: [id], gids: [id] },
    { mode: NamespaceMode.POD, uids: [], gids: [] },
    { mode: NamespaceMode.POD, uids: [id, id], gids: [id] },
    { mode: NamespaceMode.POD, uids: [from1], gids: [id] },
    { mode: NamespaceMode.POD, uids: [id], gids: [from1] },
  ];
  for (const usernsOptions of bad) {
    const linux = { securityContext: { namespaceOptions: { usernsOptions } } };
    assert.throws(
      () => podSpec('s', PodSandboxConfig.create({ linux }), network),
      /user namespace of the pod/,
    );
  }
});
