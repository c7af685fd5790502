// CRI-O's way of calling a shim: other flags and environment than containerd's, roots that are mounted already, one `start` for each
// container, no `delete`, no events.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Connection, connect, createClient } from 'ttrpc-ts';
import { mustRun, run } from '../../scripts/stand/command.ts';
import { markVariable } from '../../scripts/stand/processes.ts';
import { searchPath, shimPath } from '../../scripts/stand/runtime.ts';
import { Options } from '../../src/gen/runtimeoptions.ts';
import { TaskV2 } from '../../src/gen/task.ts';
import type { FakeContainerd, Task } from './fake-containerd.ts';
import { FifoClient } from './fifo-client.ts';
import { containerSpec } from './spec.ts';

const limit = { timeoutMs: 60_000 };

export interface CrioContainer {
  readonly id: string;
  readonly bundle: string;
  readonly address: string;
  readonly pid: number;
  readonly task: Task;
  readonly connection: Connection;
  readonly io: FifoClient;
}

/** A container as CRI-O makes it: `start`, then Create with no root file system and only a path of its configuration. */
export async function createCrio(
  fake: FakeContainerd,
  sandboxId: string,
  id: string,
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
    'io.kubernetes.cri-o.ContainerType': id === sandboxId ? 'sandbox' : 'container',
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
export async function removeCrio(fake: FakeContainerd, one: CrioContainer): Promise<void> {
  one.io.close();
  await one.task.delete({ id: one.id }, limit);
  await one.task.shutdown({ id: one.id }, limit);
  one.connection.close();
  await mustRun('umount', [join(fake.dir, 'm', one.id)]);
}
