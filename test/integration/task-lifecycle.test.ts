// Task API without containerd between: states, codes, order, idempotence and events of a container's life.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, TtrpcError } from 'ttrpc-ts';
import { isRunning } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Status, TaskV3 } from '../../src/gen/task.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const { fake, clean } = await useFakeContainerd();

const shimOf = (id: string, script: string): Promise<Shim> =>
  fake.shim(id, containerSpec(['sh', '-c', script], `/${fake.namespace}/${id}`));

test('a whole life: CREATED, RUNNING, STOPPED, deleted, shut down', { timeout: 120_000 }, async () => {
  const id = 'life';
  const shim = await shimOf(id, 'echo begun; read line; echo "got $line"; exit 17');
  const { task } = shim;
  const before_ = await task.connect({ id });
  assert.ok(isRunning(before_.shimPid), 'Connect before Create gives a live shim pid');

  const io = await shim.create({ stdin: true });
  const created = await task.state({ id });
  assert.equal(created.status, Status.CREATED);
  assert.equal(created.id, id);
  assert.equal(created.bundle, shim.bundle);
  assert.deepEqual([created.stdin, created.stdout, created.stderr], [io.stdin, io.stdout, io.stderr]);
  assert.equal(created.terminal, false);
  assert.ok(
    created.pid > 0 && isRunning(created.pid),
    `pid ${created.pid} of a created task is a live process`,
  );

  const early = task.wait({ id });
  const started = await task.start({ id }, { timeoutMs: 30_000 });
  assert.ok(started.pid > 0);
  await io.expect(/begun/);
  const running = await task.state({ id });
  assert.equal(running.status, Status.RUNNING);
  assert.equal(running.pid, started.pid);
  const connected = await task.connect({ id });
  assert.equal(connected.taskPid, running.pid);
  assert.equal(connected.shimPid, before_.shimPid);
  const { processes } = await task.pids({ id });
  assert.ok(processes.length >= 1 && processes.every(({ pid }) => pid > 0), 'Pids lists at least one');
  await assert.rejects(task.delete({ id }), 'Delete of a running task is refused');
  await task.shutdown({ id });
  assert.equal((await task.state({ id })).status, Status.RUNNING, 'Shutdown with a task alive does nothing');

  io.type('words\n');
  const exit = await within('Wait from before Start', 20_000, early);
  assert.equal(exit.exitStatus, 17);
  assert.ok(!isRunning(running.pid), 'the pid of an exited task is no process any more');
  assert.ok(Math.abs(Number(exit.exitedAt?.seconds) - Date.now() / 1000) < 60, 'exit time is now');
  assert.equal((await task.wait({ id })).exitStatus, 17, 'a second Wait gives the same');
  await io.ended();
  assert.equal(io.output, 'begun\ngot words\n');
  const stopped = await task.state({ id });
  assert.equal(stopped.status, Status.STOPPED);
  assert.equal(stopped.exitStatus, 17);
  assert.equal(stopped.stdout, io.stdout);

  await rejectsWith(Code.NotFound, task.kill({ id, signal: 9, all: true }));
  const deleted = await task.delete({ id });
  assert.equal(deleted.exitStatus, 17);
  await rejectsWith(Code.NotFound, task.delete({ id }));
  await rejectsWith(Code.NotFound, task.state({ id }));
  await rejectsWith(Code.NotFound, task.wait({ id }));
  await rejectsWith(Code.NotFound, task.kill({ id, signal: 9 }));
  await task.shutdown({ id }).catch((error: unknown) => assert.ok(isClosed(error), String(error)));
  await waitFor('end of the shim', () => !isRunning(before_.shimPid), 10_000);
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test('events: create, start, exit, delete, in this order and well formed', async () => {
  const id = 'life';
  await fake.events.expect(id, '/tasks/delete');
  assert.deepEqual(fake.events.topics(id), ['/tasks/create', '/tasks/start', '/tasks/exit', '/tasks/delete']);
  for (const { envelope, namespace } of fake.events.of(id)) {
    assert.equal(namespace, fake.namespace);
    assert.ok((envelope.timestamp?.seconds ?? 0n) > 0n, 'time stamp is set');
  }
  const [create, start, exit, gone] = fake.events.of(id).map(({ event }) => event);
  assert.ok(create && start && exit && gone);
  assert.equal(create.pid, start.pid);
  assert.equal(exit.id, id);
  assert.equal(exit.exitStatus, 17);
  assert.equal(gone.exitStatus, 17);
  assert.deepEqual(exit.exitedAt, gone.exitedAt);
});

test('calls for unknown ids answer NotFound, Connect answers', { timeout: 60_000 }, async () => {
  const shim = await shimOf('none', 'true');
  const { task } = shim;
  const id = 'nobody';
  for (const call of [
    task.state({ id }),
    task.wait({ id }),
    task.start({ id }),
    task.pids({ id }),
    task.stats({ id }),
  ]) {
    await rejectsWith(Code.NotFound, call);
  }
  for (const call of [
    task.delete({ id }),
    task.kill({ id, signal: 9 }),
    task.pause({ id }),
    task.closeIO({ id, stdin: true }),
  ]) {
    await rejectsWith(Code.NotFound, call);
  }
  await rejectsWith(Code.NotFound, task.state({ id: 'none' }));
  assert.ok((await task.connect({ id })).shimPid > 0);
  const spec = {
    typeUrl: 'types.containerd.io/opencontainers/runtime-spec/1/Process',
    value: Buffer.from('{}'),
  };
  await rejectsWith(Code.NotFound, task.exec({ id, execId: 'x', spec }));
  if (runtime.isVm) {
    const v3 = await shim.connect(TaskV3);
    await rejectsWith(Code.NotFound, v3.state({ id }));
    assert.ok((await v3.connect({ id })).shimPid > 0, 'the same service as v3');
  }
  await shim.remove();
  await assertNothingNew(fake, clean, ['none']);
});

test('a created task can be waited for, killed and deleted without Start', { timeout: 120_000 }, async () => {
  const id = 'unstarted';
  const shim = await shimOf(id, 'echo never');
  const io = await shim.create();
  const waiting = shim.task.wait({ id });
  await shim.task.kill({ id, signal: 9 }, { timeoutMs: 20_000 });
  const exit = await within('Wait of a killed created task', 20_000, waiting);
  assert.equal(exit.exitStatus, 137);
  const deleted = await shim.task.delete({ id }, { timeoutMs: 20_000 });
  assert.equal(deleted.exitStatus, 137);
  await io.ended();
  assert.equal(io.output, '');
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test('a created task can be deleted at once', { timeout: 120_000 }, async () => {
  const id = 'aborted';
  const shim = await shimOf(id, 'echo never');
  const io = await shim.create();
  await shim.task.delete({ id }, { timeoutMs: 20_000 });
  await rejectsWith(Code.NotFound, shim.task.state({ id }));
  await io.ended();
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test('signals: TERM to a trap, KILL as 137, and a second Start is refused', {
  timeout: 120_000,
}, async () => {
  const id = 'signals';
  const shim = await shimOf(
    id,
    'trap "echo usr1" USR1; trap "echo term; exit 5" TERM; echo up; while :; do sleep 0.1; done',
  );
  const io = await shim.run();
  await io.expect(/up/);
  await assert.rejects(shim.task.start({ id }), 'second Start');
  assert.equal((await shim.task.state({ id })).status, Status.RUNNING);
  await shim.task.kill({ id, signal: 10 });
  await io.expect(/usr1/);
  await shim.task.kill({ id, signal: 15 });
  assert.equal((await within('exit', 20_000, shim.task.wait({ id }))).exitStatus, 5);
  await io.ended();
  assert.match(io.output, /term/);
  await shim.remove();
});

test('many waiters and two connections see one exit; Create of a used id is refused', {
  timeout: 120_000,
}, async () => {
  const id = 'many';
  const shim = await shimOf(id, 'sleep 1000');
  await shim.run();
  const first = shim.task;
  const second = await shim.connect();
  const again = second.create({ id, bundle: shim.bundle, rootfs: [], stdin: '', stdout: '', stderr: '' });
  await assert.rejects(again, 'second Create');
  const waits = [first, second, first, second].map((task) => task.wait({ id }));
  const killers = [first, second].map((task) => task.kill({ id, signal: 9, all: true }));
  await Promise.allSettled(killers);
  const exits = await within('all waits', 20_000, Promise.all(waits));
  assert.deepEqual(
    exits.map(({ exitStatus }) => exitStatus),
    [137, 137, 137, 137],
  );
  const deletes = await Promise.allSettled([first.delete({ id }), second.delete({ id })]);
  assert.equal(deletes.filter(({ status }) => status === 'fulfilled').length, 1, 'one of two Deletes wins');
  await shim.remove();
  await assertNothingNew(fake, clean, ['signals', id]);
});

test('a command that is not there: Create or Start names it, and nothing is left', {
  timeout: 120_000,
}, async () => {
  const id = 'absent';
  const shim = await fake.shim(id, containerSpec(['/no/such/program'], `/${fake.namespace}/${id}`));
  await assert.rejects(shim.run(), /no\/such\/program/);
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

/** A Kill that comes too late is success or NotFound, nothing else. */
async function rejectsWith(code: number, call: Promise<unknown>): Promise<void> {
  await assert.rejects(call, (error: unknown) => {
    assert.ok(error instanceof TtrpcError, String(error));
    assert.equal(error.code, code, `${error.code}: ${error.message}`);
    return true;
  });
}

function isClosed(error: unknown): boolean {
  return error instanceof TtrpcError && error.code === Code.Unavailable;
}
