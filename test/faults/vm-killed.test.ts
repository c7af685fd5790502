// SIGKILL of a VM from outside: by an operator, and by the kernel's OOM killer. Whoever looks for the reason finds it: in the shim's log, in
// the error of a call, and, for a lack of memory, in what containerd tells its clients (OOMKilled).
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cgroupsOf, readCgroup, writeCgroup } from '../../scripts/stand/cgroups.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';
import { PodHost } from '../support/pod.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const options = { skip: !runtime.isVm && 'it is about the VM', timeout: 150_000 };
const LIMIT = ['memory.limit_in_bytes', 'memory.max'];
const USAGE = ['memory.usage_in_bytes', 'memory.current'];
const MIB = 1 << 20;
/** Takes memory of the guest, and so of the host. */
const EAT = 'tail /dev/zero';

const { fake, clean } = await useFakeContainerd();

const specOf = (id: string, script: string) =>
  containerSpec(['sh', '-c', script], `/${fake.namespace}/${id}`);

test('kill -9 of QEMU: the log and a call under way say that it came from outside', options, async () => {
  const id = 'outside';
  const shim = await fake.shim(id, specOf(id, 'echo up; exec sleep 1000'));
  const io = await shim.run();
  await io.expect(/up/);
  const { pid } = await shim.task.state({ id });
  process.kill(pid, 'SIGSTOP');
  const stats = shim.task.stats({ id }, { timeoutMs: 30_000 });
  const failed = assert.rejects(stats, /signal SIGKILL, sent by an operator or a program of this host/);
  process.kill(pid, 'SIGKILL');
  const exit = await within('exit', 20_000, shim.task.wait({ id }));
  assert.equal(exit.exitStatus, 137);
  await failed;
  const log = /the VM ended.*signal SIGKILL, sent by an operator or a program of this host/;
  await waitFor('reason in the log', () => log.test(shim.log()));
  assert.ok(!fake.events.topics(id).includes('/tasks/oom'), 'it is no lack of memory');
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test(
  'the limit of a VM on the host is reached: OOM is told before the exit, the log has the reason',
  options,
  async () => {
    const id = 'limit';
    const shim = await fake.shim(id, specOf(id, `echo up; read x; exec ${EAT}`));
    const io = await shim.run({ stdin: true });
    await io.expect(/up/);
    const { vm } = cgroupsOf(fake.bulkheadState, fake.namespace, id);
    const used = Number(readCgroup(vm, ...USAGE));
    writeCgroup(vm, String(used + 64 * MIB), ...LIMIT);
    io.type('\n');
    const exit = await within('exit', 60_000, shim.task.wait({ id }));
    assert.equal(exit.exitStatus, 137);
    await fake.events.expect(id, '/tasks/exit');
    const topics = fake.events.topics(id);
    assert.deepEqual(topics.slice(-2), ['/tasks/oom', '/tasks/exit']);
    await waitFor('reason in the log', () => /the VM ended.*the node ran out of memory/.test(shim.log()));
    await shim.remove();
    await assertNothingNew(fake, clean, [id]);
  },
);

test('the limit of a pod on the host is reached: CRI says OOMKilled', options, async () => {
  await using host = await PodHost.start();
  const none = belongings(host.daemon);
  let group = '';
  const pod = await host.pod({}, (cgroup) => {
    group = cgroup;
  });
  const box = await pod.run();
  writeCgroup(group, String(Number(readCgroup(group, ...USAGE)) + 64 * MIB), ...LIMIT);
  const exec = box.exec(['sh', '-c', EAT]);
  exec.catch(() => undefined); // it dies with the VM
  const status = await box.exited(60_000);
  assert.equal(status.exitCode, 137);
  assert.equal(status.reason, 'OOMKilled');
  await pod.remove();
  await assertNothingNew(host.daemon, none);
});
