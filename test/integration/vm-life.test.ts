// A VM under real QEMU: boot, agent channel, console, pause, network namespace, and every way to end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { unmountBelow } from '../../scripts/stand/mounts.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { within } from '../../scripts/stand/wait.ts';
import { mountHelper } from '../../src/config/locate.ts';
import { openCgroup } from '../../src/host/cgroup.ts';
import { mountAll, removeTargets } from '../../src/host/mounts.ts';
import { killRef, waitGone } from '../../src/host/process.ts';
import { used } from '../support/stands.ts';
import { assertRunning, awaitAgent, createStand } from '../support/vm-fixture.ts';

const stand = await used(createStand(), (it) => it.close());

const limit = { timeout: 180_000 };

test('boots, answers over the agent channel, pauses, and leaves nothing when killed', limit, async () => {
  const vm = await stand.start();
  assert.equal(vm.pid, vm.processes[0]?.pid);
  assert.deepEqual(
    vm.processes.map((p) => p.name),
    ['qemu', 'files', 'qemu-jail', 'files-jail'],
  );
  assertRunning(vm, stand.cgroup);
  const connection = await awaitAgent(vm);
  await vm.pause();
  await vm.resume();
  await vm.resume();
  const [first, second] = await Promise.all([vm.kill(), vm.kill()]);
  assert.equal(first, second);
  assert.equal(first.cause, 'killed');
  assert.equal(await vm.exited, first);
  await within('end of the agent channel', 5000, connection.closed);
  await assert.rejects(vm.pause(), { name: 'VmError' });
  await stand.assertEmpty(vm.processes);
});

test('no process of ours leaks its environment or descriptors into the VMM', limit, async () => {
  process.env.BULKHEAD_TEST_SECRET = 'x';
  const vm = await stand.start({ shared: undefined } as never);
  const environment = readFileSync(`/proc/${vm.pid}/environ`, 'latin1').split('\0').filter(Boolean);
  assert.deepEqual(environment.map((e) => e.split('=')[0]).sort(), ['LC_ALL', 'PATH']);
  assert.match(readFileSync(`/proc/${vm.pid}/status`, 'utf8'), /^Seccomp:\s+2$/m);
  await vm.kill();
  await stand.assertEmpty(vm.processes);
});

test('as root the VMM has none of its capabilities either, and boots', limit, async () => {
  const vm = await stand.start({ uid: 0 });
  (await awaitAgent(vm)).close();
  const status = readFileSync(`/proc/${vm.pid}/status`, 'utf8');
  assert.match(status, /^Uid:\s+0\s+0\s+0\s+0$/m);
  for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
    assert.match(status, new RegExp(`^${set}:\\s+0+$`, 'm'));
  await vm.kill();
  await stand.assertEmpty(vm.processes);
});

test('a kernel panic ends the VM at once, with the panic in the reason', limit, async () => {
  const vm = await stand.start({ kernelParams: 'init=/nonexistent' });
  const exit = await within('end of the VM', 60_000, vm.exited);
  assert.equal(exit.cause, 'guest-panicked');
  assert.match(exit.reason, /the guest panicked: [\s\S]*Kernel panic/);
  assert.match(vm.console(), /Kernel panic/);
  await stand.assertEmpty(vm.processes);
});

test('a panic that does not end the VM has its time to be written, then the VM is ended', limit, async () => {
  const vm = await stand.start({ kernelParams: 'init=/nonexistent panic=0' });
  const exit = await within('end of the VM', 60_000, vm.exited);
  assert.equal(exit.cause, 'guest-panicked');
  // What Linux writes last, long after it has told QEMU.
  assert.match(vm.console(), /end Kernel panic/);
  await stand.assertEmpty(vm.processes);
});

test('the death of the file system daemon ends the VM and is named', limit, async () => {
  const vm = await stand.start();
  const [, files] = vm.processes;
  assert.ok(files);
  killRef(files);
  const exit = await within('end of the VM', 10_000, vm.exited);
  assert.equal(exit.cause, 'files-died');
  assert.match(exit.reason, /bulkhead-files died with signal SIGKILL/);
  await stand.assertEmpty(vm.processes);
});

test('the death of QEMU is known at once and takes the file system daemon with it', limit, async () => {
  const vm = await stand.start();
  const start = performance.now();
  killRef({ pid: vm.pid, startTime: vm.processes[0]?.startTime ?? '' });
  const exit = await within('end of the VM', 10_000, vm.exited);
  assert.ok(performance.now() - start < 2000);
  assert.equal(exit.cause, 'vmm-exited');
  assert.equal(exit.signal, 'SIGKILL');
  await stand.assertEmpty(vm.processes);
});

test('the death of a launcher takes its program and the VM with it', limit, async () => {
  for (const name of ['qemu-jail', 'files-jail']) {
    const vm = await stand.start();
    const launcher = vm.processes.find((one) => one.name === name);
    assert.ok(launcher && killRef(launcher));
    await within('end of the VM', 10_000, vm.exited);
    await stand.assertEmpty(vm.processes);
  }
});

test('an abort ends a start that is under way, and one that has not begun', limit, async () => {
  await assert.rejects(stand.start({}, AbortSignal.abort(new Error('enough'))), /aborted: enough/);
  await assert.rejects(stand.start({}, AbortSignal.timeout(5)), /the start of the VM was aborted/);
  await stand.assertEmpty();
});

test('the VMM runs in the network namespace of the sandbox', limit, async () => {
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'echo ready; exec sleep 100'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  const path = `/proc/${holder.pid}/ns/net`;
  try {
    const vm = await stand.start({ netnsPath: path });
    assert.equal(readlinkSync(`/proc/${vm.pid}/ns/net`), readlinkSync(path));
    assert.notEqual(statSync(path).ino, statSync('/proc/self/ns/net').ino);
    await vm.kill();
  } finally {
    holder.kill('SIGKILL');
  }
  await assert.rejects(stand.start({ netnsPath: '/no/such/netns' }), /no\/such\/netns/);
  await stand.assertEmpty();
});

test(
  'a mount made while the VM runs reaches the daemon, which sees nothing else of the host',
  limit,
  async () => {
    const vm = await stand.start();
    await awaitAgent(vm); // the daemon has changed its root by then
    const inner = vm.processes[1]?.pid;
    const target = join(stand.sharedDir, 'late');
    const tmpfs = { type: 'tmpfs', source: 'tmpfs', target, options: ['size=1m'] };
    await mountAll(stand.sharedDir, [tmpfs], { helper: mountHelper() });
    writeFileSync(join(target, 'f'), 'x');
    assert.equal(readFileSync(`/proc/${inner}/root/late/f`, 'utf8'), 'x');
    assert.deepEqual(readdirSync(`/proc/${inner}/root`), ['late']);
    await vm.kill();
    await removeTargets(stand.sharedDir, [target], { helper: mountHelper() });
    await stand.assertEmpty(vm.processes);
  },
);

test('a shim that is killed takes VMM and file system daemon with it', limit, async () => {
  const script = `
    const { createStand } = await import(${JSON.stringify(join(repoRoot, 'test/support/vm-fixture.ts'))});
    const stand = await createStand();
    const vm = await stand.start();
    console.log(JSON.stringify({ processes: vm.processes, all: stand.cgroup.procs(), dir: stand.dir, cgroup: stand.cgroup.path }));`;
  const shim = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(shim.stdout, 'data')) as [Buffer];
  const { processes, dir, cgroup } = JSON.parse(line.toString());
  shim.kill('SIGKILL');
  for (const ref of processes)
    assert.ok(await waitGone(ref, { timeoutMs: 5000 }), `${ref.name} died with the shim`);
  const left = openCgroup(cgroup);
  await left.kill();
  await left.remove();
  await unmountBelow(dir);
  rmSync(dir, { recursive: true });
});
