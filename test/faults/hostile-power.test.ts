// The guest's root restarts, switches off or halts its machine. The first two are the end of the VM, which says so; a
// machine that stands still is ended by a Kill as any other.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { runtime } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import { HostilePod, hostileHost } from '../support/hostile/attack.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { useFakeContainerd } from '../support/stands.ts';

const options = { skip: !runtime.isVm && 'it is about the VM', timeout: 120_000 };
const soon = { timeoutMs: 5_000 };

const { fake, clean } = await useFakeContainerd(hostileHost);

/** Boots an attacker, lets it end its machine, and gives the exit of the pod, which `meanwhile` may bring about. */
async function exitAfter(how: string, meanwhile: (pod: HostilePod) => Promise<void>): Promise<number> {
  const pod = await HostilePod.start(fake, how);
  try {
    const exit = pod.shim.task.wait({ id: how }, { timeoutMs: 60_000 });
    // Its own answer is lost with the machine.
    const attacking = pod.asGuestRoot(`power ${how}`).catch(() => undefined);
    await meanwhile(pod);
    const { exitStatus } = await within('end of the VM', 30_000, exit);
    await attacking;
    await pod.shim.task.delete({ id: how }, soon);
    return exitStatus;
  } finally {
    await pod.shim.remove();
    await assertNothingNew(fake, clean, [how], 15_000);
  }
}

for (const how of ['restart', 'off']) {
  test(`${how}: the VM is over`, options, async () => {
    assert.notEqual(await exitAfter(how, async () => undefined), 0);
  });
}

test('halt: Kill ends it', options, async () => {
  const exit = await exitAfter('halt', async ({ shim }) => {
    await sleep(2_000);
    assert.equal((await shim.task.state({ id: 'halt' }, soon)).status, Status.RUNNING);
    await shim.task.kill({ id: 'halt', signal: 9 }, soon);
  });
  assert.equal(exit, 137);
});
