// A bug in the shim: nobody knows what holds any more, so the sandbox is ended, with the reason in the log.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync } from 'node:fs';
import { rename } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, createClient } from 'ttrpc-ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import { TaskV2 } from '../../src/gen/task.ts';
import { descriptorOf } from '../../src/host/descriptor.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const skip = !runtime.isVm && 'another shim';

const { fake, clean } = await useFakeContainerd();

/** Makes the server throw where nobody catches it. */
const bug = `process.on('SIGUSR2', () => { throw new Error('planted by the test') })`;

test('the VM is ended, what was made is undone, and the exit code is not 0', {
  skip,
  timeout: 60_000,
}, async () => {
  const id = `${fake.namespace}-bug`;
  const bundle = await fake.bundle(id, containerSpec(['sleep', '1000'], `/${fake.namespace}/${id}`));
  const socket = join(fake.dir, 'bug.sock');
  const listener = createServer().listen(`${socket}.new`);
  await once(listener, 'listening');
  await rename(`${socket}.new`, socket); // which its close does not remove then
  const log = openSync(join(bundle, 'log'), constants.O_RDWR);
  const flags = [
    '-namespace',
    fake.namespace,
    '-id',
    id,
    '-address',
    fake.address,
    '-socket',
    socket,
    '-debug',
  ];
  const program = join(repoRoot, 'build/lib/bulkhead/server.cjs');
  const server = spawn(
    process.execPath,
    ['--import', `data:text/javascript,${encodeURIComponent(bug)}`, program, ...flags, 'serve'],
    { cwd: bundle, env: fake.env, stdio: ['ignore', 'ignore', log, descriptorOf(listener)] },
  );
  const exited = once(server, 'exit');
  closeSync(log);
  listener.close();
  const connection = await connect({ path: socket });
  const task = createClient(TaskV2, connection);
  await task.create({ id, bundle, rootfs: await fake.rootfs(id) }, { timeoutMs: 30_000 });
  await task.start({ id }, { timeoutMs: 30_000 });
  server.kill('SIGUSR2');
  assert.deepEqual(await within('end of the shim', 15_000, exited), [1, null]);
  connection.close();
  assert.match(fake.log(id), /msg="bug in the shim".*planted by the test/);
  assert.match(fake.log(id), /msg="shim ends" .*reason="bug in the shim: planted by the test"/);
  await assertNothingNew(fake, clean, [id]);
});
