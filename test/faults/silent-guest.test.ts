// A guest, or its file system daemon, that says nothing any more (stopped): what containerd needs to end it is answered all the same.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isRunning, programsOf } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const options = { skip: !runtime.isVm && 'it is about the VM', timeout: 150_000 };

const { fake, clean } = await useFakeContainerd();

/** A container that runs, and the pid of its VMM, which is stopped. */
async function silenced(id: string): Promise<{ shim: Shim; vmm: number }> {
  const shim = await fake.shim(id, containerSpec(['sleep', '1000'], `/${fake.namespace}/${id}`));
  await shim.run();
  const { pid: vmm } = await shim.task.state({ id });
  process.kill(vmm, 'SIGSTOP');
  return { shim, vmm };
}

test(
  'State, Pids, Connect and Kill answer; SIGKILL ends the VM; Delete leaves nothing',
  options,
  async () => {
    const { shim } = await silenced('silent');
    const { id } = shim;
    const soon = { timeoutMs: 5_000 };
    assert.equal((await shim.task.state({ id }, soon)).status, Status.RUNNING);
    assert.equal((await shim.task.pids({ id }, soon)).processes.length, 1);
    await shim.task.connect({ id }, soon);
    await assert.rejects(shim.task.stats({ id }, { timeoutMs: 20_000 }), /did not answer within 5000 ms/);
    await shim.task.kill({ id, signal: 15 }, soon);
    assert.equal((await shim.task.state({ id }, soon)).status, Status.RUNNING);
    await shim.task.kill({ id, signal: 9 }, soon);
    const exit = await within('exit after SIGKILL', 20_000, shim.task.wait({ id }));
    assert.equal(exit.exitStatus, 137);
    assert.equal((await shim.task.delete({ id }, soon)).exitStatus, 137);
    await shim.remove();
    await assertNothingNew(fake, clean, [id], 15_000);
  },
);

test('SIGTERM of the shim ends the VM', options, async () => {
  const { shim, vmm } = await silenced('silent-term');
  const pid = await shim.pid();
  process.kill(pid, 'SIGTERM');
  await waitFor('end of shim and VMM', () => !isRunning(pid) && !isRunning(vmm), 10_000);
  await shim.remove();
  await assertNothingNew(fake, clean, [shim.id], 15_000);
});

test(
  'the file system daemon says nothing any more: State and Kill answer, Delete leaves nothing',
  options,
  async () => {
    const id = 'silent-files';
    const script = 'echo up; while :; do ls -lR / >/dev/null 2>&1; done';
    const shim = await fake.shim(id, containerSpec(['sh', '-c', script], `/${fake.namespace}/${id}`));
    await (await shim.run()).expect(/up/);
    for (const { pid } of programsOf(fake.processes(), /^\S*bulkhead-files/, id))
      process.kill(pid, 'SIGSTOP');
    const soon = { timeoutMs: 5_000 };
    assert.equal((await shim.task.state({ id }, soon)).status, Status.RUNNING);
    await shim.task.kill({ id, signal: 9 }, soon);
    assert.equal((await within('exit after SIGKILL', 20_000, shim.task.wait({ id }))).exitStatus, 137);
    assert.equal((await shim.task.delete({ id }, soon)).exitStatus, 137);
    await shim.remove();
    await assertNothingNew(fake, clean, [id], 15_000);
  },
);
