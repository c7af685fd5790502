// What a guest would get that breaks out into QEMU or into the file system daemon, as /proc tells it of a VM that runs.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { Canary } from '../support/hostile/canary.ts';
import { JailedProcess, type NamespaceKind } from '../support/hostile/jailed.ts';
import { containerSpec } from '../support/spec.ts';

const options = { skip: !runtime.isVm && 'it is about the VM', timeout: 60_000 };

/** First id of those that VMs may be given. */
const FIRST_UID = 2_000_000_000;

/**
 * CHOWN DAC_OVERRIDE FOWNER FSETID SETGID SETUID MKNOD SETFCAP: what serving files as root takes. SETPCAP and SYS_CHROOT: one
 * thread of QEMU's daemon keeps what it needed to go into the share. Not DAC_READ_SEARCH, which opens files by handle.
 */
const FILE_CAPABILITIES = [0, 1, 3, 4, 6, 7, 27, 31].reduce((set, bit) => set | (1n << BigInt(bit)), 0n);

let fake: FakeContainerd;
let shim: Shim;
let canary: Canary;
let holder: ChildProcess;
let vmm: JailedProcess;
let daemon: JailedProcess;

before(async () => {
  if (!runtime.isVm) return;
  fake = await FakeContainerd.start();
  canary = new Canary();
  // The pod's network namespace, as a CNI plugin would have made it.
  holder = spawn('unshare', ['--net', 'sleep', '1000'], { stdio: 'ignore' });
  const path = `/proc/${holder.pid}/ns/net`;
  await waitFor('network namespace', () => readlinkSync(path) !== readlinkSync('/proc/self/ns/net'));
  const spec = containerSpec(['sleep', '1000'], `/${fake.namespace}/reach`, { oomScoreAdj: 500 });
  const namespaces = spec.linux.namespaces.map((one) => (one.type === 'network' ? { ...one, path } : one));
  const volume = join(fake.dir, 'volume');
  mkdirSync(volume);
  const resources = {
    ...spec.linux.resources,
    memory: { limit: 128 << 20 },
    cpu: { quota: 50_000, period: 100_000 },
  };
  shim = await fake.shim('reach', {
    ...spec,
    mounts: [...spec.mounts, { destination: '/vol', type: 'bind', source: volume, options: ['rbind'] }],
    linux: { ...spec.linux, namespaces, resources },
  });
  await shim.run();
  const [qemu, ...moreQemu] = JailedProcess.named(fake.namespace, /^qemu-system-/);
  const [files, ...moreFiles] = JailedProcess.named(fake.namespace, /^bulkhead-files/);
  assert.ok(qemu && files && moreQemu.length + moreFiles.length === 0, 'one QEMU and its daemon');
  [vmm, daemon] = [qemu, files];
});
after(async () => {
  if (!runtime.isVm) return;
  await shim.remove();
  holder.kill();
  await fake.stop();
  await canary.remove();
});

test('QEMU is a user of its own, without groups of others and without any capability', options, () => {
  for (const field of ['Uid', 'Gid']) {
    const ids = new Set(vmm.status(field).map(Number));
    assert.equal(ids.size, 1, `${field}: ${[...ids]}`);
    assert.ok(
      [...ids].every((id) => id >= FIRST_UID),
      `${field}: ${[...ids]}`,
    );
  }
  assert.ok(!vmm.status('Groups').includes('0'), 'not in the group of root');
  assert.equal(vmm.capabilities(), 0n);
});

test('the file system daemon is root for files and nothing else', options, () => {
  const more = daemon.capabilities() & ~FILE_CAPABILITIES;
  assert.equal(more, 0n, `capabilities beyond those for files: 0x${more.toString(16)}`);
});

test('both are under a system call filter in every thread, and gain nothing by a program', options, () => {
  for (const one of [vmm, daemon]) {
    assert.deepEqual(one.ofThreads('Seccomp'), ['2']);
    assert.deepEqual(one.ofThreads('NoNewPrivs'), ['1']);
  }
});

test('both have namespaces of their own; the network is the pod’s', options, () => {
  const own: NamespaceKind[] = ['mnt', 'pid', 'ipc', 'uts', 'net'];
  for (const one of [vmm, daemon]) {
    const shared = own.filter((kind) => one.namespace(kind) === readlinkSync(`/proc/self/ns/${kind}`));
    assert.deepEqual(shared, [], `process ${one.pid} shares namespaces with the host`);
  }
  assert.equal(vmm.namespace('net'), readlinkSync(`/proc/${holder.pid}/ns/net`));
});

test('nothing of the host can be named from their root folders', options, () => {
  const state = join(fake.bulkheadState, fake.namespace);
  const files = [
    '/etc/shadow',
    '/etc/passwd',
    '/root',
    '/var/lib',
    '/run/containerd',
    '/sys/fs/cgroup',
    '/proc/1/environ',
  ];
  for (const one of [vmm, daemon]) {
    assert.ok(!one.hasHostRoot());
    const reached = [...files, canary.dir, fake.dir, state].filter((path) => one.reaches(path));
    assert.deepEqual(reached, [], `of process ${one.pid}, whose root has ${one.rootNames()}`);
  }
  assert.deepEqual(daemon.rootNames(), ['reach', 'volumes'], "the daemon's root is the share");
  const top = daemon.mounts().find(({ point }) => point === '/');
  for (const option of ['ro', 'nosuid', 'nodev', 'noexec']) assert.ok(top?.options.includes(option), option);
});

test('their descriptors are channels, memory, the share and the image', options, () => {
  const harmless = /^(socket:|pipe:|anon_inode:|\/memfd:|\/dev\/(null|urandom|kvm|net\/tun|vhost-net)$)/;
  const others = vmm.openFiles().filter((file) => !harmless.test(file));
  assert.ok(
    others.every((file) => /\/(image|vmlinux)[^/]*$/.test(file)),
    others.join('\n'),
  );
  // A folder of the host would belong to a file system that the daemon has not mounted.
  const mounted = new Set(daemon.mounts().map(({ point }) => point));
  for (const file of daemon.openFiles().filter((name) => !harmless.test(name))) {
    const known = file.startsWith('/proc') || [...mounted].some((point) => file.startsWith(point));
    assert.ok(known, `the daemon holds ${file}`);
    assert.ok(!file.startsWith(fake.dir), `the daemon holds ${file}`);
  }
});

test('what they may take of the host is limited', options, () => {
  for (const one of [vmm, daemon]) {
    const memory = Number(one.cgroupFile('memory.limit_in_bytes', 'memory.max'));
    assert.ok(memory >= 128 << 20 && memory < totalmem() / 2, `memory: ${memory}`);
    const [quota] = one.cgroupFile('cpu.cfs_quota_us', 'cpu.max')?.split(' ') ?? [];
    assert.ok(Number(quota) > 0, `cpu: ${quota}`);
    assert.ok(Number(one.cgroupFile('pids.max')) > 0, 'pids');
    // Version 2 keeps no list that could be read.
    // Nodes of any may be made, none but those named be opened.
    const opened = (one.cgroupFile('devices.list') ?? '').replace(/^[bc] \*:\* m$/gm, '');
    assert.doesNotMatch(opened, /^a |:\*|\*:/m);
    assert.equal(one.hardLimit('Max core file size'), '0');
    assert.notEqual(one.hardLimit('Max open files'), 'unlimited');
    assert.equal(one.oomScoreAdj, 500);
  }
  assert.notEqual(vmm.hardLimit('Max processes'), 'unlimited');
});

test(
  'the pid that containerd knows leads to the pod’s network and not to the host’s root',
  options,
  async () => {
    const { pid } = await shim.task.state({ id: 'reach' });
    const task = new JailedProcess(pid);
    assert.ok(!task.hasHostRoot());
    assert.ok(!task.reaches(canary.dir) && !task.reaches('/etc/shadow'));
    assert.equal(task.namespace('net'), readlinkSync(`/proc/${holder.pid}/ns/net`));
    assert.notEqual(statSync(`/proc/${pid}`).ino, 0);
    assert.ok(readdirSync(`/proc/${pid}/task`).length > 0);
  },
);
