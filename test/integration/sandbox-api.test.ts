// The sandbox service, call by call: order, repetition, unknown ids, and that nothing stays.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, Code, type Connection, connect, createClient, TtrpcError } from 'ttrpc-ts';
import { describe, mustRun } from '../../scripts/stand/command.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { PodSandboxConfig } from '../../src/gen/pod-sandbox.ts';
import { SandboxService } from '../../src/gen/sandbox.ts';
import { TaskV2 } from '../../src/gen/task.ts';
import type { Task } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const skip = !runtime.isVm && 'runc has no sandbox API';
const limit = { timeoutMs: 60_000 };

const { fake, clean } = await useFakeContainerd();

interface ApiShim {
  readonly bundle: string;
  readonly address: string;
  readonly connection: Connection;
  readonly sandbox: Client<typeof SandboxService>;
  readonly task: Task;
}

/** A shim in a bundle without a spec. */
async function start(id: string): Promise<ApiShim> {
  const bundle = await fake.bundle(id, undefined);
  const started = await fake.invoke(id, 'start', [], { cwd: bundle });
  assert.equal(started.code, 0, describe(started));
  const address = started.stdout.trim().replace(/^unix:\/\//, '');
  const connection = await connect({ path: address });
  const sandbox = createClient(SandboxService, connection);
  return { bundle, address, connection, sandbox, task: createClient(TaskV2, connection) };
}

function fails(code: number, text: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof TtrpcError);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, text);
    return true;
  };
}

/** Go's client takes either of an answer and an end that arrive together: the shim leaves the close to its peer. */
async function ends(shim: ApiShim, id: string): Promise<void> {
  await shim.sandbox.shutdownSandbox({ sandboxId: id }, limit);
  const first = await Promise.race([shim.connection.closed.then(() => 'closed'), sleep(300, 'open')]);
  assert.equal(first, 'open', 'the connection is there for a while after the answer');
  shim.connection.close();
  await fake.invoke(id, 'delete', ['-bundle', shim.bundle], { cwd: shim.bundle });
  await assertNothingNew(fake, clean, [id]);
}

test('create, start, status, a container, stop, wait, shutdown', { skip, timeout: 120_000 }, async (t) => {
  const id = `${fake.namespace}-api`;
  const shim = await start(id);
  const { sandbox } = shim;
  const sandboxId = id;
  await assert.rejects(sandbox.startSandbox({ sandboxId }), fails(Code.NotFound, /not found/));
  await assert.rejects(sandbox.createSandbox({ sandboxId }), fails(Code.InvalidArgument, /bundle/));
  const value = PodSandboxConfig.encode({ hostname: 'played' });
  const options = { typeUrl: 'runtime.v1.PodSandboxConfig', value };
  await mustRun('ip', ['netns', 'add', id]);
  t.after(() => mustRun('ip', ['netns', 'del', id]));
  const netnsPath = `/var/run/netns/${id}`;
  await sandbox.createSandbox({ sandboxId, bundlePath: shim.bundle, options, netnsPath });
  await assert.rejects(
    sandbox.createSandbox({ sandboxId, bundlePath: shim.bundle }),
    fails(Code.AlreadyExists, /exists/),
  );
  assert.equal((await sandbox.sandboxStatus({ sandboxId })).state, 'SANDBOX_NOTREADY');
  const { pid } = await sandbox.startSandbox({ sandboxId }, limit);
  await assert.rejects(sandbox.startSandbox({ sandboxId }), fails(Code.AlreadyExists, /started/));
  const status = await sandbox.sandboxStatus({ sandboxId });
  assert.deepEqual([status.state, status.pid, status.sandboxId], ['SANDBOX_READY', pid, id]);
  assert.equal((await sandbox.platform({ sandboxId })).platform?.os, 'linux');
  await sandbox.pingSandbox({ sandboxId });
  await assert.rejects(sandbox.pingSandbox({ sandboxId: 'other' }), fails(Code.NotFound, /other/));

  const inner = `${id}-c`;
  const spec = containerSpec(['sleep', '1000'], `/${fake.namespace}/${inner}`);
  spec.annotations = {
    'io.kubernetes.cri.container-type': 'container',
    'io.kubernetes.cri.sandbox-id': id,
  };
  const bundle = await fake.bundle(inner, spec);
  const rootfs = await fake.rootfs(inner);
  await shim.task.create({ id: inner, bundle, rootfs }, limit);
  await shim.task.start({ id: inner }, limit);
  const ended = shim.task.wait({ id: inner }, limit);

  const waiting = sandbox.waitSandbox({ sandboxId }, limit);
  await sandbox.stopSandbox({ sandboxId }, limit);
  await sandbox.stopSandbox({ sandboxId }, limit);
  assert.equal((await waiting).exitStatus, 137);
  assert.equal((await ended).exitStatus, 137);
  assert.equal((await sandbox.sandboxStatus({ sandboxId })).state, 'SANDBOX_NOTREADY');
  await shim.task.delete({ id: inner }, limit);
  // containerd 2.3 asks for this after each task; the sandbox is there until ShutdownSandbox.
  await shim.task.shutdown({ id: inner }, limit);
  await sleep(300);
  assert.equal((await sandbox.sandboxStatus({ sandboxId })).state, 'SANDBOX_NOTREADY');
  await ends(shim, id);
  assert.ok(fake.events.topics(inner).includes('/tasks/exit'));
  assert.deepEqual(fake.events.topics(id), [], 'the stand-in is no task');
});

test('the VM dies: the wait ends and the sandbox is not ready', { skip, timeout: 60_000 }, async () => {
  const id = `${fake.namespace}-dies`;
  const shim = await start(id);
  await shim.sandbox.createSandbox({ sandboxId: id, bundlePath: shim.bundle });
  const { pid } = await shim.sandbox.startSandbox({ sandboxId: id }, limit);
  process.kill(pid, 'SIGKILL');
  assert.equal((await shim.sandbox.waitSandbox({ sandboxId: id }, limit)).exitStatus, 137);
  assert.equal((await shim.sandbox.sandboxStatus({ sandboxId: id })).state, 'SANDBOX_NOTREADY');
  await ends(shim, id);
});

test('stopped before it was started; a task there names the spec that is missing', {
  skip,
  timeout: 60_000,
}, async () => {
  const id = `${fake.namespace}-early`;
  const shim = await start(id);
  await assert.rejects(
    shim.task.create({ id, bundle: shim.bundle }, limit),
    fails(Code.InvalidArgument, /config\.json/),
  );
  await shim.sandbox.createSandbox({ sandboxId: id, bundlePath: shim.bundle });
  await shim.task.shutdown({ id }, limit);
  await shim.sandbox.stopSandbox({ sandboxId: id }, limit);
  assert.equal((await shim.sandbox.waitSandbox({ sandboxId: id }, limit)).exitStatus, 0);
  await shim.task.shutdown({ id }, limit);
  assert.equal((await shim.sandbox.sandboxStatus({ sandboxId: id })).state, 'SANDBOX_NOTREADY');
  await ends(shim, id);
});

test('a client that never closes its connection does not keep the shim', {
  skip,
  timeout: 60_000,
}, async () => {
  const id = `${fake.namespace}-open`;
  const shim = await start(id);
  await shim.sandbox.createSandbox({ sandboxId: id, bundlePath: shim.bundle });
  await shim.sandbox.shutdownSandbox({ sandboxId: id }, limit);
  const answered = performance.now();
  await shim.connection.closed;
  assert.ok(performance.now() - answered < 5_000);
  await fake.invoke(id, 'delete', ['-bundle', shim.bundle], { cwd: shim.bundle });
  await assertNothingNew(fake, clean, [id]);
});

test('stopped while it starts: the start fails and no VM stays', { skip, timeout: 60_000 }, async () => {
  const id = `${fake.namespace}-meanwhile`;
  const shim = await start(id);
  await shim.sandbox.createSandbox({ sandboxId: id, bundlePath: shim.bundle });
  const starting = shim.sandbox.startSandbox({ sandboxId: id }, limit);
  const failing = assert.rejects(starting, fails(Code.Canceled, /is ending: containerd stopped the sandbox/));
  await shim.sandbox.stopSandbox({ sandboxId: id }, limit);
  await failing;
  assert.equal((await shim.sandbox.sandboxStatus({ sandboxId: id })).state, 'SANDBOX_NOTREADY');
  await ends(shim, id);
});
