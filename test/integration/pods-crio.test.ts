// CRI-O's way of calling a shim, step by step: other flags and environment than containerd's, roots that are mounted
// already, one `start` for each container, no `delete`, no events, liveness by signal 0, out of memory by a file.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Code, type Connection, connect, createClient, TtrpcError } from 'ttrpc-ts';
import { mustRun, run } from '../../scripts/stand/command.ts';
import { isRunning, markVariable, readProcess } from '../../scripts/stand/processes.ts';
import { runtime, searchPath, shimPath } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Options } from '../../src/gen/runtimeoptions.ts';
import { TaskV2 } from '../../src/gen/task.ts';
import { FakeContainerd, type Task } from '../support/fake-containerd.ts';
import { FifoClient } from '../support/fifo-client.ts';
import { containerSpec, processSpec } from '../support/spec.ts';

const limit = { timeoutMs: 60_000 };

let fake: FakeContainerd;
let sandboxId: string;
before(async () => {
  fake = await FakeContainerd.start();
  sandboxId = `${fake.namespace}-pod`;
});
after(() => fake.stop());

interface CrioContainer {
  readonly id: string;
  readonly bundle: string;
  readonly address: string;
  readonly pid: number;
  readonly task: Task;
  readonly connection: Connection;
  readonly io: FifoClient;
}

/** A container as CRI-O makes it: `start`, then Create with no root file system and only a path of its configuration. */
async function create(
  id: string,
  type: 'sandbox' | 'container',
  args: readonly string[],
  resources = {},
): Promise<CrioContainer> {
  const root = join(fake.dir, 'm', id);
  mkdirSync(root, { recursive: true });
  const [overlay] = await fake.rootfs(id);
  await mustRun('mount', ['-t', 'overlay', '-o', overlay!.options.join(','), 'overlay', root]);
  const spec = containerSpec(args, `/${fake.namespace}/${id}`);
  spec.root = { path: root };
  spec.linux.resources = resources;
  spec.annotations = {
    'io.kubernetes.cri-o.ContainerType': type,
    'io.kubernetes.cri-o.SandboxID': sandboxId,
    'io.container.manager': 'cri-o',
  };
  const bundle = await fake.bundle(id, spec);
  const argv = [
    '-namespace',
    'default',
    '-address',
    '',
    '-publish-binary',
    '/usr/bin/crio',
    '-id',
    id,
    'start',
  ];
  const env = {
    ...{ PATH: searchPath(), [markVariable]: fake.namespace, BULKHEAD_STATE: fake.bulkheadState },
    ...{ TTRPC_ADDRESS: '', GRPC_ADDRESS: '', NAMESPACE: 'default', MAX_SHIM_VERSION: '2', GOMAXPROCS: '2' },
    ...(process.env.BULKHEAD_CONFIG === undefined ? {} : { BULKHEAD_CONFIG: process.env.BULKHEAD_CONFIG }),
  };
  const started = await run(shimPath(), argv, { env, cwd: bundle, timeoutMs: 30_000 });
  assert.equal(started.code, 0, started.stderr);
  assert.match(started.stdout, /^unix:\/\/\/\S+$/);
  assert.equal(
    readFileSync(join(bundle, 'address'), 'utf8'),
    started.stdout,
    'read again after a restart of CRI-O',
  );
  const address = started.stdout.replace('unix://', '');
  const connection = await connect({ path: address });
  const task = createClient(TaskV2, connection) as Task;
  const io = await FifoClient.open(join(fake.dir, 'f', id));
  const options = {
    typeUrl: 'runtimeoptions.v1.Options',
    value: Options.encode({ configPath: process.env.BULKHEAD_CONFIG ?? '' }),
  };
  const { pid } = await task.create(
    { id, bundle, rootfs: [], options, ...io.request },
    { timeoutMs: 90_000 },
  );
  return { id, bundle, address, pid, task, connection, io };
}

/** As CRI-O ends a container: streams first, then Delete and Shutdown; no `delete` binary. */
async function remove(one: CrioContainer): Promise<void> {
  one.io.close();
  await one.task.delete({ id: one.id }, limit);
  await one.task.shutdown({ id: one.id }, limit);
  one.connection.close();
  await mustRun('umount', [join(fake.dir, 'm', one.id)]);
}

test('a pod of CRI-O: sandbox, containers, exec, out of memory, end', {
  skip: !runtime.isVm && 'it is about the VM',
  timeout: 180_000,
}, async () => {
  const pause = await create(sandboxId, 'sandbox', ['sleep', '100000']);
  // The pid of Create is what CRI-O keeps: a live process with a start time, all the time.
  assert.ok(isRunning(pause.pid));
  await pause.task.start({ id: pause.id }, limit);
  const app = await create(`${sandboxId}-app`, 'container', [
    'sh',
    '-c',
    'echo up; while :; do sleep 0.1; done',
  ]);
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
  const greedy = await create(`${sandboxId}-greedy`, 'container', ['tail', '/dev/zero'], resources);
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
