// Task API: Pause, Resume, Stats, Update, Checkpoint and the first process's terminal and input.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, TtrpcError } from 'ttrpc-ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Metrics as MetricsV1 } from '../../src/gen/cgroups-v1.ts';
import { Metrics as MetricsV2 } from '../../src/gen/cgroups-v2.ts';
import { Status } from '../../src/gen/task.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, processSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const id = 'control';
const { fake, clean } = await useFakeContainerd();
const spec = containerSpec(
  ['sh', '-c', 'i=0; while :; do echo $i; i=$((i+1)); sleep 0.05; done'],
  `/${fake.namespace}/${id}`,
);
spec.linux.resources = { memory: { limit: 64 << 20 }, pids: { limit: 200 } };
const shim = await fake.shim(id, spec);

test('Pause stops the container and is seen by State; Resume goes on', { timeout: 90_000 }, async () => {
  const io = await shim.run();
  const { task } = shim;
  await io.expect(/\d\n/);
  const { execId } = await shim.exec(processSpec(['sleep', '100']));
  await task.pause({ id });
  assert.equal((await task.state({ id })).status, Status.PAUSED);
  assert.equal((await task.state({ id, execId })).status, Status.PAUSED);
  await new Promise((done) => setTimeout(done, 300));
  const size = io.bytes().length;
  await new Promise((done) => setTimeout(done, 700));
  assert.equal(io.bytes().length, size, 'a paused container writes nothing');
  await task.resume({ id });
  assert.equal((await task.state({ id })).status, Status.RUNNING);
  await waitFor('more output', () => io.bytes().length > size, 10_000);
  await fake.events.expect(id, '/tasks/paused');
  await fake.events.expect(id, '/tasks/resumed');
  await task.kill({ id, execId, signal: 9 });
});

test('Stats has the metrics of the host cgroup version, every part that CRI reads, and true numbers', async () => {
  const { stats } = await shim.task.stats({ id });
  assert.ok(stats);
  if (stats.typeUrl === 'io.containerd.cgroups.v1.Metrics') {
    const metrics = MetricsV1.decode(stats.value);
    assert.ok((metrics.cpu?.usage?.total ?? 0n) > 0n, 'cpu.usage.total');
    assert.ok((metrics.memory?.usage?.usage ?? 0n) > 0n, 'memory.usage.usage');
    assert.equal(metrics.memory?.usage?.limit, BigInt(64 << 20));
    assert.ok((metrics.pids?.current ?? 0n) >= 1n, 'pids.current');
    // CRI-O dereferences these without a look.
    assert.ok(
      metrics.memory?.swap && metrics.memory.kernel && metrics.memory.kernelTcp,
      'memory.swap, kernel, kernel_tcp',
    );
    assert.ok(metrics.cpu?.throttling, 'cpu.throttling');
  } else {
    assert.equal(stats.typeUrl, 'io.containerd.cgroups.v2.Metrics');
    const metrics = MetricsV2.decode(stats.value);
    assert.ok((metrics.cpu?.usageUsec ?? 0n) > 0n, 'cpu.usage_usec');
    assert.ok((metrics.memory?.usage ?? 0n) > 0n, 'memory.usage');
    assert.equal(metrics.memory?.usageLimit, BigInt(64 << 20));
    assert.ok((metrics.pids?.current ?? 0n) >= 1n, 'pids.current');
  }
});

test('Update changes the limits of the running container', async () => {
  const resources = {
    memory: { limit: 96 << 20 },
    pids: { limit: 123 },
    cpu: { shares: 512, quota: 50_000, period: 100_000 },
  };
  const typeUrl = 'types.containerd.io/opencontainers/runtime-spec/1/LinuxResources';
  await shim.task.update({ id, resources: { typeUrl, value: Buffer.from(JSON.stringify(resources)) } });
  const { stats } = await shim.task.stats({ id });
  assert.ok(stats);
  if (stats.typeUrl.includes('v1')) {
    const metrics = MetricsV1.decode(stats.value);
    assert.equal(metrics.memory?.usage?.limit, BigInt(96 << 20));
    assert.equal(metrics.pids?.limit, 123n);
  } else {
    const metrics = MetricsV2.decode(stats.value);
    assert.equal(metrics.memory?.usageLimit, BigInt(96 << 20));
    assert.equal(metrics.pids?.limit, 123n);
  }
  const bad = shim.task.update({ id, resources: { typeUrl, value: Buffer.from('{"memory":') } });
  await assert.rejects(bad, 'Update with broken JSON');
  assert.equal((await shim.task.state({ id })).status, Status.RUNNING);
});

test('Checkpoint is Unimplemented, unknown services and methods too', {
  skip: !runtime.isVm && 'runc offers Checkpoint',
}, async () => {
  await assert.rejects(shim.task.checkpoint({ id, path: '/tmp' }), (error: unknown) => {
    assert.ok(error instanceof TtrpcError && error.code === Code.Unimplemented, String(error));
    return true;
  });
});

test('State, Connect, Pids and Kill(9) answer while the container is paused', {
  timeout: 60_000,
}, async () => {
  await shim.task.pause({ id });
  const limit = { timeoutMs: 2_000 };
  assert.equal((await shim.task.state({ id }, limit)).status, Status.PAUSED);
  assert.ok((await shim.task.connect({ id }, limit)).taskPid > 0);
  assert.ok((await shim.task.pids({ id }, limit)).processes.length > 0);
  await shim.task.kill({ id, signal: 9, all: true }, { timeoutMs: 10_000 });
  if (!runtime.isVm) await shim.task.resume({ id }).catch(() => undefined);
  const exit = await within('end of a paused container', 20_000, shim.task.wait({ id }));
  assert.equal(exit.exitStatus, 137);
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test('a terminal for the first process: size before and after Start, echo, Ctrl-D', {
  timeout: 90_000,
}, async () => {
  const tty = 'tty';
  const process = { ...processSpec(['sh', '-c', 'read go; stty size; tty; cat; echo end']), terminal: true };
  const spec = { ...containerSpec([], `/${fake.namespace}/${tty}`), process };
  const shim_ = await fake.shim(tty, spec);
  const io = await shim_.create({ terminal: true });
  await shim_.task.resizePty({ id: tty, width: 70, height: 30 });
  await shim_.task.start({ id: tty });
  assert.equal((await shim_.task.state({ id: tty })).terminal, true);
  io.type('\r');
  await io.expect(/30 70\r\n\/dev\/(pts\/0|console)\r\n/);
  io.type('echoed words\r');
  await io.expect(/echoed words\r\nechoed words\r\n/);
  io.type('\x04');
  assert.equal((await within('exit', 20_000, shim_.task.wait({ id: tty }))).exitStatus, 0);
  await io.ended();
  assert.match(io.output, /end\r\n$/);
  await shim_.remove();
  await assertNothingNew(fake, clean, [tty]);
});

test('input before Start is kept; CloseIO before Start gives EOF after it', { timeout: 90_000 }, async () => {
  const early = 'early';
  const shim_ = await fake.shim(early, containerSpec(['sha256sum'], `/${fake.namespace}/${early}`));
  const io = await shim_.create({ stdin: true });
  io.type('before start');
  // A shim may open stdin as late as at Start; until then the client's end cannot be opened or closed.
  const closing = io.closeInput();
  await shim_.task.closeIO({ id: early, stdin: true });
  await shim_.task.start({ id: early });
  await closing;
  assert.equal((await within('exit', 20_000, shim_.task.wait({ id: early }))).exitStatus, 0);
  await io.ended();
  assert.match(io.output, /^b57b631d4598d96b/, 'sha256 of the input');
  await shim_.remove();
  await assertNothingNew(fake, clean, [early]);
});
