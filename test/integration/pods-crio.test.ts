// CRI-O's way of calling a shim, step by step: other flags and environment than containerd's, roots that are mounted
// already, one `start` for each container, no `delete`, no events, liveness by signal 0, out of memory by a file.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Code, TtrpcError } from 'ttrpc-ts';
import { isRunning, readProcess } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { type CrioContainer, createCrio, removeCrio } from '../support/crio.ts';
import { FifoClient } from '../support/fifo-client.ts';
import { processSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const limit = { timeoutMs: 60_000 };

const { fake } = await useFakeContainerd();
const sandboxId = `${fake.namespace}-pod`;

const create = (id: string, args: readonly string[], resources = {}): Promise<CrioContainer> =>
  createCrio(fake, sandboxId, id, args, resources);
const remove = (one: CrioContainer): Promise<void> => removeCrio(fake, one);

test('a pod of CRI-O: sandbox, containers, exec, out of memory, end', {
  skip: !runtime.isVm && 'it is about the VM',
  timeout: 180_000,
}, async () => {
  const pause = await create(sandboxId, ['sleep', '100000']);
  // The pid of Create is what CRI-O keeps: a live process with a start time, all the time.
  assert.ok(isRunning(pause.pid));
  await pause.task.start({ id: pause.id }, limit);
  const app = await create(`${sandboxId}-app`, ['sh', '-c', 'echo up; while :; do sleep 0.1; done']);
  assert.equal(app.address, pause.address, 'the same shim serves it');
  assert.ok(readProcess(app.pid) !== undefined, 'its pid has a start time in /proc too');
  await app.task.start({ id: app.id }, limit);
  await app.io.expect(/up/);
  await app.task.kill({ id: app.id, signal: 0 }, limit);
  const waiting = app.task.wait({ id: app.id }, limit);

  const exec = await FifoClient.open(join(fake.dir, 'f', 'exec'));
  // CRI-O's spec may say terminal although the request does not: the request counts.
  const process_ = { ...processSpec(['sh', '-c', 'echo from exec; exit 6']), terminal: true };
  const spec = {
    typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Process',
    value: Buffer.from(JSON.stringify(process_)),
  };
  await app.task.exec({ id: app.id, execId: 'x', spec, ...exec.request }, limit);
  await app.task.start({ id: app.id, execId: 'x' }, limit);
  const { exitStatus } = await app.task.wait({ id: app.id, execId: 'x' }, limit);
  assert.equal(exitStatus, 6);
  assert.equal(exec.output, 'from exec\n', 'all output is there before Wait answers');
  await app.task.delete({ id: app.id, execId: 'x' }, limit);
  exec.close();

  const resources = { memory: { limit: 32 << 20 } };
  const greedy = await create(`${sandboxId}-greedy`, ['tail', '/dev/zero'], resources);
  await greedy.task.start({ id: greedy.id }, limit);
  assert.equal((await greedy.task.wait({ id: greedy.id }, limit)).exitStatus, 137);
  await waitFor('the file oom', () => existsSync(join(greedy.bundle, 'oom')), 5_000);
  await remove(greedy);

  const stats = await app.task.stats({ id: app.id }, limit);
  assert.match(stats.stats?.typeUrl ?? '', /io\.containerd\.cgroups\.v[12]\.Metrics$/);
  await app.task.kill({ id: app.id, signal: 15 }, limit);
  await app.task.kill({ id: app.id, signal: 9 }, limit);
  assert.equal((await within('end', 20_000, waiting)).exitStatus, 137);
  await assert.rejects(
    app.task.kill({ id: app.id, signal: 0 }, limit),
    (error) => error instanceof TtrpcError && error.code === Code.NotFound,
  );
  await remove(app);
  await pause.task.kill({ id: pause.id, signal: 9 }, limit);
  await pause.task.wait({ id: pause.id }, limit);
  await remove(pause);
  await waitFor('end of the shim and its VM', () => fake.processes().length === 0, 10_000);
  assert.equal(existsSync(join(fake.bulkheadState, 'default', sandboxId)), false);
});
