// kill -9 of the shim, the VMM and the file system daemon at each stage: calls end with an error, exits are told, nothing is left.
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { isRunning, programsOf } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const victims = runtime.isVm ? (['shim', 'vmm', 'files'] as const) : (['shim'] as const);
type Victim = 'shim' | 'vmm' | 'files';

const { fake, clean } = await useFakeContainerd();

/** Pids of the victim for one container; more than one for a daemon that forks. */
function find(victim: Victim, shim: Shim): number[] {
  // The program's own name; ids of the test must not match.
  const patterns = {
    shim: /containerd-shim|server\.cjs/,
    vmm: /^\S*qemu-system/,
    files: /^\S*bulkhead-files/,
  };
  const id = victim === 'shim' ? `-id ${shim.id}` : shim.id;
  return programsOf(fake.processes(), patterns[victim], id).map(({ pid }) => pid);
}

async function strike(victim: Victim, shim: Shim): Promise<void> {
  const pids = await waitFor(
    `process of ${victim}`,
    () => {
      const found = find(victim, shim);
      return found.length > 0 && found;
    },
    20_000,
    2,
  );
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Gone meanwhile.
    }
  }
  await waitFor(`end of ${victim}`, () => pids.every((pid) => !isRunning(pid)), 5_000);
}

/** What containerd does after a loss; then nothing may be there. */
async function finish(shim: Shim): Promise<void> {
  await within('teardown', 60_000, shim.remove());
  // runc's `delete` leaves the socket of a killed shim.
  if (!runtime.isVm) await rm(shim.address, { force: true });
  await assertNothingNew(fake, clean, [shim.id], 15_000);
}

/** Runs the body with a shim, and finishes also when the body fails, so that one failure does not fail the rest. */
async function withShim(id: string, body: (shim: Shim) => Promise<void>): Promise<void> {
  const shim = await fake.shim(
    id,
    containerSpec(['sh', '-c', 'echo up; exec sleep 1000'], `/${fake.namespace}/${id}`),
  );
  try {
    await body(shim);
  } catch (error) {
    await finish(shim).catch(() => undefined);
    throw error;
  }
  await finish(shim);
}

for (const victim of victims) {
  test(`${victim} dies during Create: Create fails soon`, { timeout: 150_000 }, () =>
    withShim(`${victim}-create`, async (shim) => {
      const create = shim.create();
      create.catch(() => undefined);
      // The shim is there from the start; give Create time to have made something.
      if (victim === 'shim')
        await waitFor(
          'something made',
          () => find(runtime.isVm ? 'vmm' : 'shim', shim).length > 0,
          15_000,
          5,
        );
      await strike(victim, shim);
      if (runtime.isVm)
        await assert.rejects(within('end of Create', 30_000, create), 'Create without its helper');
      else await create.catch(() => undefined);
    }),
  );

  test(`${victim} dies after Create: Start fails, or the task is STOPPED`, { timeout: 150_000 }, () =>
    withShim(`${victim}-created`, async (shim) => {
      await shim.create();
      await strike(victim, shim);
      if (victim !== 'shim') await stopped(shim);
      await assert.rejects(shim.task.start({ id: shim.id }, { timeoutMs: 20_000 }), 'Start');
    }),
  );

  test(`${victim} dies during Start`, { timeout: 150_000 }, () =>
    withShim(`${victim}-start`, async (shim) => {
      await shim.create();
      const start = shim.task.start({ id: shim.id }, { timeoutMs: 30_000 });
      start.catch(() => undefined);
      await strike(victim, shim);
      await within(
        'end of Start',
        35_000,
        start.catch(() => undefined),
      );
      if (victim !== 'shim') await stopped(shim);
    }),
  );

  test(
    `${victim} dies while running: Wait ends at once with a non-zero code, and it is told`,
    {
      timeout: 150_000,
    },
    () =>
      withShim(`${victim}-running`, async (shim) => {
        const io = await shim.run();
        await io.expect(/up/);
        const { execId } = await shim.exec({ ...containerSpec(['sleep', '500'], '').process });
        const waits = [shim.task.wait({ id: shim.id }), shim.task.wait({ id: shim.id, execId })];
        for (const wait of waits) wait.catch(() => undefined);
        await strike(victim, shim);
        if (victim === 'shim') {
          await assert.rejects(within('loss of the connection', 5_000, Promise.all(waits)));
        } else {
          for (const exit of await within('Wait after the loss', 10_000, Promise.all(waits)))
            assert.notEqual(exit.exitStatus, 0);
          await stopped(shim);
          const event = await fake.events.expect(shim.id, '/tasks/exit');
          assert.notEqual(event.event.exitStatus, 0);
          await io.ended();
        }
      }),
  );

  test(`${victim} dies during Delete`, { timeout: 150_000 }, () =>
    withShim(`${victim}-delete`, async (shim) => {
      await shim.run();
      await shim.task.kill({ id: shim.id, signal: 9 });
      await within('exit', 20_000, shim.task.wait({ id: shim.id }));
      const deleted = shim.task.delete({ id: shim.id }, { timeoutMs: 30_000 });
      deleted.catch(() => undefined);
      if (find(victim, shim).length > 0) await strike(victim, shim).catch(() => undefined);
      await within(
        'end of Delete',
        35_000,
        deleted.catch(() => undefined),
      );
    }),
  );
}

test('a guest whose kernel panics: the exit is told soon, with a non-zero code', {
  skip: !runtime.isVm && 'it would be the host kernel',
  timeout: 150_000,
}, async () => {
  const id = 'panic';
  const spec = containerSpec(
    ['sh', '-c', 'echo 2 > /proc/sys/vm/panic_on_oom && echo armed; exec tail /dev/zero'],
    `/${fake.namespace}/${id}`,
  );
  spec.linux.readonlyPaths = [];
  spec.linux.maskedPaths = [];
  spec.linux.resources = { memory: { limit: 32 << 20, swap: 32 << 20 } };
  const shim = await fake.shim(id, spec);
  const io = await shim.run();
  const exit = await within('exit after the panic', 30_000, shim.task.wait({ id }));
  assert.notEqual(exit.exitStatus, 0);
  assert.match(io.output, /armed/, `the panic could not be armed: ${io.errors}`);
  await stopped(shim);
  await waitFor('end of the VMM', () => find('vmm', shim).length === 0, 10_000);
  assert.match(shim.log(), /panic/i, 'the log says why');
  await finish(shim);
});

test('a guest that powers off: the exit is told', {
  skip: !runtime.isVm && 'it would be the host',
  timeout: 150_000,
}, async () => {
  const id = 'poweroff';
  const spec = containerSpec(['sh', '-c', 'reboot -f; sleep 1000'], `/${fake.namespace}/${id}`);
  const caps = ['CAP_SYS_BOOT', 'CAP_SYS_ADMIN'];
  spec.process.capabilities = {
    bounding: caps,
    effective: caps,
    permitted: caps,
    inheritable: [],
    ambient: [],
  };
  // In a pid namespace of its own, reboot only ends that namespace: either way the exit must come.
  const shim = await fake.shim(id, spec);
  await shim.run();
  const exit = await within('exit after the reboot', 30_000, shim.task.wait({ id }));
  assert.notEqual(exit.exitStatus, 0);
  await finish(shim);
});

/** The shim lives and says STOPPED, in time for containerd's own limit of 2 s. */
async function stopped(shim: Shim): Promise<void> {
  let last = '';
  const ask = async (): Promise<boolean> => {
    const state = await shim.task.state({ id: shim.id }, { timeoutMs: 2_000 });
    last = `status ${state.status}, exit ${state.exitStatus}`;
    return state.status === Status.STOPPED;
  };
  await waitFor('STOPPED', ask, 10_000, 50).catch((cause: unknown) => {
    throw new Error(`not STOPPED within 10 s but: ${last}\n${shim.log().slice(-1500)}`, { cause });
  });
}
