import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { removeCgroups, shellIn } from '../../scripts/stand/cgroups.ts';
import { createCgroup, hierarchiesFrom, openCgroup } from './cgroup.ts';
import { expandSlice, groupOf, parentOf } from './cgroup-path.ts';
import { parseMountinfo } from './mountinfo.ts';
import { childEnv } from './process.ts';
import { groupBeside, sandboxGroups } from './sandbox-groups.ts';

test('a slice is expanded as systemd nests it', () => {
  assert.equal(expandSlice('system.slice'), '/system.slice');
  assert.equal(expandSlice('a-b-c.slice'), '/a.slice/a-b.slice/a-b-c.slice');
  assert.equal(expandSlice('-.slice'), '');
  for (const bad of ['a', 'a--b.slice', '-a.slice', 'x/y.slice']) assert.throws(() => expandSlice(bad));
});

test('the parent is taken from every form of cgroupsPath', () => {
  assert.equal(parentOf(''), undefined);
  assert.equal(parentOf('/kubepods/burstable/pod1/abc'), '/kubepods/burstable/pod1');
  assert.equal(parentOf('kubepods/abc/'), '/kubepods');
  assert.equal(parentOf('/abc'), '/');
  const pod = 'kubepods-burstable-pod1.slice:cri-containerd:abc';
  assert.equal(parentOf(pod), '/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice');
  assert.equal(parentOf(':crio:abc'), '/system.slice');
  assert.equal(parentOf('-.slice:x:abc'), '/');
  for (const bad of ['/a/../../b', '/a\n/b', '/a\0']) assert.throws(() => parentOf(bad));
});

test('a group is named as runc names it', () => {
  assert.equal(groupOf('/kubepods/pod1/abc'), '/kubepods/pod1/abc');
  assert.equal(groupOf('a-b.slice:cri-containerd:abc'), '/a.slice/a-b.slice/cri-containerd-abc.scope');
  assert.equal(groupOf(':crio:abc'), '/system.slice/crio-abc.scope');
  for (const none of ['', '/abc', '-.slice:x:abc', 'a.slice:x:y.slice'])
    assert.equal(groupOf(none), undefined);
  assert.throws(() => groupOf('a.slice:x:y/../../../b'));
});

test('a group beside the one that the spec names, in our own folder where it names none', () => {
  assert.equal(groupBeside('/some/parent/x', 'name'), '/some/parent/bulkhead-name');
  for (const none of ['', '/x', '-.slice:x:y']) assert.equal(groupBeside(none, 'n'), '/bulkhead/bulkhead-n');
  assert.throws(() => groupBeside('', '../../x'));
});

const groupsOf = (namespace: string, id: string, path = '', pod = false) =>
  sandboxGroups(path, { namespace, id, pod });

test('no two sandboxes have the same groups', () => {
  const names = [
    ['default', 'test-web'],
    ['default-test', 'web'],
    ['a', 'b--c'],
    ['a--b', 'c'],
    ['a', 'b'],
    ['a', 'b--shim'],
    ['shim-a', 'b'],
    ['x'.repeat(255), 'y'.repeat(255)],
    ['x'.repeat(255), 'y'.repeat(254)],
  ] as const;
  const all = names.flatMap(([namespace, id]) => Object.values(groupsOf(namespace, id)));
  assert.equal(new Set(all).size, all.length, all.join('\n'));
  for (const path of all) assert.ok(basename(path).length <= 255);
});

test("a pod's VM is where the kubelet looks for its sandbox; nobody finds an id in the shim's name", async () => {
  const id = '0123456789abcdef'.repeat(4);
  const parent = `/bh-groups-${process.pid}`;
  const cgroupfs = groupsOf('k8s.io', id, `${parent}/${id}`, true);
  assert.equal(cgroupfs.vm, `${parent}/${id}`);
  const systemd = groupsOf('k8s.io', id, `kubepods-pod1.slice:cri-containerd:${id}`, true);
  assert.equal(systemd.vm, `/kubepods.slice/kubepods-pod1.slice/cri-containerd-${id}.scope`);
  // What cAdvisor takes for a container's id (container/containerd/factory.go, container/crio/factory.go).
  const cadvisor = /([a-z0-9]{64})/;
  for (const { shim } of [cgroupfs, systemd]) assert.doesNotMatch(basename(shim), cadvisor);
  assert.equal(dirname(cgroupfs.shim), parent, "below the pod's limits");
  assert.equal(groupsOf('default', 'web', `${parent}/web`).vm, `${parent}/bulkhead-default:web`);

  const taken = await createCgroup(`${parent}/${id}`);
  try {
    const vm = groupsOf('k8s.io', id, `${parent}/${id}`, true).vm;
    assert.equal(vm, `${parent}/bulkhead-k8s.io:${id}`, 'what is in a group of others is not ours to end');
  } finally {
    await taken.remove();
    removeCgroups(parent);
  }
});

test('hierarchies: each once, all versions, none from elsewhere', () => {
  const line = (device: string, point: string, type: string, root = '/') =>
    `30 20 ${device} ${root} ${point} rw - ${type} ${type} rw,cpu,xattr,cpuacct`;
  const table = [
    line('0:30', '/sys/fs/cgroup/cpu,cpuacct', 'cgroup'),
    line('0:30', '/sys/fs/cgroup/other', 'cgroup'),
    line('0:31', '/sys/fs/cgroup/unified', 'cgroup2'),
    line('0:32', '/run/x/cgroup', 'cgroup2'),
    line('0:33', '/sys/fs/cgroup/memory', 'cgroup', '/docker/x'),
  ].join('\n');
  assert.deepEqual(hierarchiesFrom(parseMountinfo(table)), [
    { mountPoint: '/sys/fs/cgroup/cpu,cpuacct', version: 1, controllers: 'cpu,cpuacct' },
    { mountPoint: '/sys/fs/cgroup/unified', version: 2, controllers: '' },
  ]);
});

test('a cgroup is made, joined, emptied and removed; twice is fine', async () => {
  const cgroup = await createCgroup(groupBeside('', `test-${process.pid}`));
  try {
    await createCgroup(cgroup.path);
    assert.deepEqual(cgroup.procs(), []);
    const [file, ...args] = shellIn(cgroup, 'echo ready; sleep 100 & sleep 100');
    const child = spawn(file, args, { env: childEnv(), stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    assert.ok(child.pid && cgroup.procs().includes(child.pid));
    for (const line of readFileSync(`/proc/${child.pid}/cgroup`, 'utf8').trim().split('\n')) {
      assert.equal(line.split(':').slice(2).join(':'), cgroup.path);
    }
    await assert.rejects(cgroup.remove({ timeoutMs: 20 }), /cannot remove/);
    const exited = once(child, 'exit');
    await cgroup.kill();
    await exited;
    assert.deepEqual(cgroup.procs(), []);
  } finally {
    await cgroup.kill();
    await cgroup.remove();
  }
  for (const folder of cgroup.folders) assert.equal(existsSync(folder), false);
  const again = openCgroup(cgroup.path);
  assert.deepEqual(again.procs(), []);
  await Promise.all([again.kill(), again.kill(), again.remove(), again.remove()]);
});

test('a process that the kernel kills for want of memory is counted', async () => {
  const cgroup = await createCgroup(groupBeside('', `test-oom-${process.pid}`));
  try {
    assert.equal(cgroup.oomKills(), 0);
    const limits = cgroup.folders.flatMap((f) =>
      ['memory.limit_in_bytes', 'memory.max'].map((n) => join(f, n)),
    );
    const limit = limits.find((path) => existsSync(path));
    assert.ok(limit, 'some hierarchy has the memory controller');
    writeFileSync(limit, String(8 * 1024 * 1024));
    const [file, ...args] = shellIn(cgroup, 'x=$(head -c 64m /dev/zero | tr "\\0" x); echo $x');
    await once(spawn(file, args, { env: childEnv(), stdio: 'ignore' }), 'exit');
    assert.ok(cgroup.oomKills() >= 1);
  } finally {
    await cgroup.kill();
    await cgroup.remove();
  }
  assert.equal(cgroup.oomKills(), 0);
});

test('the root and paths that leave the mount are refused', async () => {
  await assert.rejects(createCgroup('/'), /root control group/);
  await assert.rejects(createCgroup('/a/../../../x'), /bad cgroup path/);
  assert.throws(() => openCgroup('/..'));
});
