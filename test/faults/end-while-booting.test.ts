// The shim is asked to end while its VM boots: it undoes by itself all that was made by then; nobody calls `delete`.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Code, connect, createClient, TtrpcError } from 'ttrpc-ts';
import { isRunning, programsOf } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { SandboxService } from '../../src/gen/sandbox.ts';
import { assertNothingNew, belongings } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const skip = !runtime.isVm && 'the reference boots nothing';

const { fake, clean } = await useFakeContainerd();

/** How far a boot has come. */
const moments = {
  'its folder is there': (id: string) => isThere(id),
  'QEMU is there': (id: string) => programsOf(fake.processes(), /^\S*qemu-system/, id).length > 0,
  'the container is mounted': (id: string) =>
    [...belongings(fake)].some((line) => line.endsWith(`mounts/${id}/rootfs`)),
};
type Moment = keyof typeof moments;

function isThere(id: string): boolean {
  try {
    return readdirSync(join(fake.bulkheadState, fake.namespace, id)).includes('state.json');
  } catch {
    return false;
  }
}

for (const [index, moment] of (Object.keys(moments) as Moment[]).entries()) {
  for (const laterMs of [0, 250]) {
    test(`SIGTERM ${laterMs} ms after ${moment}`, { skip, timeout: 60_000 }, async () => {
      const id = `${fake.namespace}-t${index}-${laterMs}`;
      const shim = await fake.shim(id, containerSpec(['sleep', '1000'], `/${fake.namespace}/${id}`));
      const pid = await shim.pid();
      const request = { id, bundle: shim.bundle, rootfs: await fake.rootfs(id) };
      const refused = assert.rejects(shim.task.create(request), (error: unknown) => {
        assert.ok(error instanceof TtrpcError);
        return error.code === Code.Unavailable || /the sandbox is ending: SIGTERM/.test(error.message);
      });
      await waitFor(moment, () => moments[moment](id), 20_000, 1);
      await sleep(laterMs);
      process.kill(pid, 'SIGTERM');
      await within('answer to Create', 10_000, refused);
      await waitFor('end of the shim', () => !isRunning(pid), 10_000);
      shim.release();
      await assertNothingNew(fake, clean, [id]);
    });
  }

  // A pod without a pause container mounts nothing.
  if (moment === 'the container is mounted') continue;
  test(`ShutdownSandbox when ${moment}: the wait ends, too`, { skip, timeout: 60_000 }, async () => {
    const id = `${fake.namespace}-s${index}`;
    const bundle = await fake.bundle(id, undefined);
    const started = await fake.invoke(id, 'start', [], { cwd: bundle });
    const connection = await connect({ path: started.stdout.trim().replace(/^unix:\/\//, '') });
    const sandbox = createClient(SandboxService, connection);
    await sandbox.createSandbox({ sandboxId: id, bundlePath: bundle });
    const refused = assert.rejects(sandbox.startSandbox({ sandboxId: id }), /is ending: containerd removed/);
    const waiting = sandbox.waitSandbox({ sandboxId: id });
    await waitFor(moment, () => moments[moment](id), 20_000, 1);
    await within('Shutdown', 10_000, sandbox.shutdownSandbox({ sandboxId: id }));
    await refused;
    assert.equal((await within('the wait', 5_000, waiting)).exitStatus, 128);
    connection.close();
    await assertNothingNew(fake, clean, [id]);
  });
}

test('a sandbox that cannot start: its wait ends, and it can be shut down', {
  skip,
  timeout: 60_000,
}, async () => {
  const id = `${fake.namespace}-bad`;
  const bundle = await fake.bundle(id, undefined);
  const started = await fake.invoke(id, 'start', [], { cwd: bundle });
  const connection = await connect({ path: started.stdout.trim().replace(/^unix:\/\//, '') });
  const sandbox = createClient(SandboxService, connection);
  await sandbox.createSandbox({ sandboxId: id, bundlePath: bundle, netnsPath: '/run/netns/no-such' });
  const waiting = sandbox.waitSandbox({ sandboxId: id });
  await assert.rejects(sandbox.startSandbox({ sandboxId: id }), /no-such/);
  assert.equal((await within('the wait', 5_000, waiting)).exitStatus, 128);
  await assert.rejects(sandbox.startSandbox({ sandboxId: id }), /cannot be started again/);
  await sandbox.shutdownSandbox({ sandboxId: id });
  connection.close();
  await assertNothingNew(fake, clean, [id]);
});
