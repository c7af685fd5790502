// Root of a guest that sends without end: on the console, and frames on the agent's channel. The shim stays idle, the console
// keeps a panic's last words, and a VM whose agent floods is given up with the reason.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { addGuestRoot, outside, rootProcess, rootSpec } from '../support/guest-root.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import { runtime } from '../support/runtime.ts';
import { within } from '../support/wait.ts';

const options = { skip: !runtime.isVm && 'it is about the VM', timeout: 150_000 };
/** What an idle shim and a paced flood may cost, in parts of a core; without a bound it is a third and more. */
const MOST = 0.08;

let fake: FakeContainerd;
let clean: Belongings;
before(async () => {
  if (options.skip) return;
  fake = await FakeContainerd.start();
  await addGuestRoot(fake);
  clean = belongings(fake);
});
after(() => fake?.stop());

async function start(id: string): Promise<{ shim: Shim; pid: number }> {
  const shim = await fake.shim(id, rootSpec(`/${fake.namespace}/${id}`));
  await shim.run();
  return { shim, pid: await shim.pid() };
}

/** Processor time of a process, in seconds. */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const [user, system] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
    .map(Number);
  return (user! + system!) / 100;
}

/** The part of a core that a process takes, over some seconds. */
async function load(t: TestContext, what: string, pid: number, seconds = 5): Promise<number> {
  const [cpu, began] = [cpuOf(pid), performance.now()];
  await sleep(seconds * 1_000);
  const part = (cpuOf(pid) - cpu) / ((performance.now() - began) / 1_000);
  t.diagnostic(`${what}: ${(100 * part).toFixed(1)} % of a core`);
  return part;
}

test(
  'a console flood costs nothing, execs work beside it, and the words of a panic come through',
  options,
  async (t) => {
    const { shim, pid } = await start('console');
    await shim.exec(rootProcess('mknod /dev/port c 4 64; exec yes > /dev/port'));
    await sleep(1_000);
    assert.ok((await load(t, 'the shim under a console flood', pid)) < MOST);
    const { io, execId } = await shim.exec(rootProcess('echo still here'));
    await shim.task.wait({ id: shim.id, execId }, { timeoutMs: 30_000 });
    assert.equal(io.output, 'still here\n');
    // It is panic_on_oom that ends this guest.
    const panic = 'echo 2 > /proc/sys/vm/panic_on_oom; exec tail /dev/zero';
    shim.exec(rootProcess(panic)).catch(() => undefined);
    const exit = await within('end of the VM', 60_000, shim.task.wait({ id: shim.id }));
    assert.equal(exit.exitStatus, 137);
    const log = shim.log();
    assert.ok(log.includes('Kernel panic - not syncing: Out of memory'), log.slice(-1_000));
    await shim.remove();
    await assertNothingNew(fake, clean, [shim.id]);
  },
);

test('a few frames that nobody waits for are nothing', options, async () => {
  const { shim } = await start('few');
  await shim.exec(rootProcess(outside(shim, 'few')));
  await sleep(1_000);
  const { io, execId } = await shim.exec(rootProcess('cat /proc/sys/kernel/core_pattern'));
  await shim.task.wait({ id: shim.id, execId }, { timeoutMs: 30_000 });
  assert.match(io.output, /guest-root few/);
  await shim.remove();
  await assertNothingNew(fake, clean, [shim.id]);
});

test('a flood of frames: the VM is given up, and log and errors say why', options, async (t) => {
  const { shim, pid } = await start('frames');
  const ended = shim.task.wait({ id: shim.id }, { timeoutMs: 60_000 });
  shim.exec(rootProcess(outside(shim, 'flood'))).catch(() => undefined);
  assert.equal((await within('end of the VM', 30_000, ended)).exitStatus, 137);
  assert.ok((await load(t, 'the shim after a flood of frames', pid, 2)) < MOST);
  assert.match(shim.log(), /the VM is given up.*broke its protocol.*more frames within 10 s than it may/);
  await shim.remove();
  await assertNothingNew(fake, clean, [shim.id]);
});
