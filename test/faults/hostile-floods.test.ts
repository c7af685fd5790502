// A guest that talks without end: on its console, by running out of memory again and again, in the agent's name. The
// shim answers and ends what it is told to end, works little for it, and pods beside it notice nothing.
import assert from 'node:assert/strict';
import { globSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryKib } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import type { FakeContainerd, Shim } from '../support/fake-containerd.ts';
import { HostilePod, hostileHost, watchAnswers } from '../support/hostile/attack.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import { containerSpec, processSpec } from '../support/spec.ts';

/** How long a flood lasts. */
const floodMs = process.env.BULKHEAD_TEST_LONG === undefined ? 6_000 : 60_000;

const options = { skip: !runtime.isVm && 'it is about the VM', timeout: 120_000 + floodMs };
const soon = { timeoutMs: 5_000 };

let fake: FakeContainerd;
let neighbour: Shim;
let clean: Belongings;
before(async () => {
  if (!runtime.isVm) return;
  fake = await hostileHost();
  const spec = containerSpec(['sleep', '1000'], `/${fake.namespace}/neighbour`);
  neighbour = await fake.shim('neighbour', spec);
  await neighbour.run();
  clean = belongings(fake);
});
after(async () => {
  if (!runtime.isVm) return;
  await neighbour.remove();
  await fake.stop();
});

/** The pod beside the attacker does its work: a process runs in it to its end. */
async function neighbourWorks(): Promise<void> {
  const { execId } = await neighbour.exec(processSpec(['true']));
  const { exitStatus } = await neighbour.task.wait({ id: neighbour.id, execId }, { timeoutMs: 20_000 });
  assert.equal(exitStatus, 0);
  await neighbour.task.delete({ id: neighbour.id, execId }, soon);
  for (const fifos of globSync(join(fake.dir, 'f', `neighbour-${execId}-*`)))
    rmSync(fifos, { recursive: true });
}

/** CPU time of a process in ms. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

interface Work {
  /** Share of a processor that the shim used. */
  readonly cpu: number;
  readonly logBytes: number;
  readonly events: number;
}

/** Watches the shim of a pod for the time of a flood. */
async function flooded(t: TestContext, shim: Shim): Promise<Work> {
  const pid = await shim.pid();
  const before = { cpu: cpuMs(pid), log: shim.log().length, events: fake.events.events.length };
  const memoryBefore = memoryKib(pid).rss;
  const answers = watchAnswers(shim);
  const started = performance.now();
  await sleep(floodMs / 2);
  await neighbourWorks();
  await sleep(floodMs / 2);
  const longest = await answers.stop();
  const cpu = (cpuMs(pid) - before.cpu) / (performance.now() - started);
  const logBytes = shim.log().length - before.log;
  const events = fake.events.events.length - before.events;
  const grown = (memoryKib(pid).rss - memoryBefore) / 1024;
  t.diagnostic(
    `shim: ${(100 * cpu).toFixed(0)} % of a processor, ${logBytes} bytes of log, ${events} events, ` +
      `${grown.toFixed(0)} MiB more memory, State within ${longest.toFixed(0)} ms`,
  );
  assert.ok(longest < 1_000, `State took ${longest} ms`);
  assert.ok(grown < 64, `the shim grew by ${grown} MiB`);
  return { cpu, logBytes, events };
}

/** Ends a pod in the middle of its flood. */
async function ended(pod: HostilePod): Promise<void> {
  await pod.shim.task.kill({ id: pod.id, signal: 9, all: true }, soon);
  const exit = await within('exit after SIGKILL', 10_000, pod.shim.task.wait({ id: pod.id }));
  assert.equal(exit.exitStatus, 137);
  await pod.shim.task.delete({ id: pod.id }, soon);
}

/** Boots an attacker, lets it act, removes it whatever happens. */
async function attacked(id: string, attack: (pod: HostilePod) => Promise<void>): Promise<void> {
  const pod = await HostilePod.start(fake, id);
  await attack(pod).finally(() => pod.shim.remove());
  await neighbourWorks();
  await assertNothingNew(fake, clean, [id], 15_000);
}

test('the console', options, (t) =>
  attacked('console', async (pod) => {
    await pod.launch('/attack', 'console');
    const { cpu, logBytes } = await flooded(t, pod.shim);
    assert.ok(cpu < 0.1, `the shim used ${100 * cpu} % of a processor`);
    assert.ok(logBytes < 256 << 10, `${logBytes} bytes of log`);
    await ended(pod);
  }),
);

test('the console, and then a panic: its last words come through', options, () =>
  attacked('panic', async (pod) => {
    await pod.launch('/attack', 'console');
    await pod.sh('echo 2 > /proc/sys/vm/panic_on_oom');
    const { id } = await pod.join(['/attack', 'oom'], [], { memory: { limit: 24 << 20 } });
    const exit = pod.shim.task.wait({ id: pod.id }, { timeoutMs: 60_000 });
    await pod.shim.task.start({ id }, { timeoutMs: 30_000 }).catch(() => undefined);
    assert.equal((await within('end of the VM', 60_000, exit)).exitStatus, 137);
    const told = () => pod.shim.log().includes('Kernel panic - not syncing: Out of memory');
    await waitFor('last words in the log', told, 5_000);
    for (const one of [id, pod.id]) await pod.shim.task.delete({ id: one }, soon);
  }),
);

test('out of memory, again and again', options, (t) =>
  attacked('oom', async (pod) => {
    const memory = { memory: { limit: 24 << 20 } };
    const { id, error } = await pod.join(['/attack', 'oom'], [], memory);
    assert.equal(error, undefined);
    await pod.shim.task.start({ id }, soon);
    await waitFor('first event', () => fake.events.of(id).some(({ topic }) => topic === '/tasks/oom'));
    const { cpu, logBytes, events } = await flooded(t, pod.shim);
    assert.ok(cpu < 0.1, `the shim used ${100 * cpu} % of a processor`);
    assert.ok(events <= 4 + (2 * floodMs) / 1_000, `${events} events in ${floodMs} ms`);
    assert.ok(logBytes < 64 << 10, `${logBytes} bytes of log`);
    assert.equal((await pod.shim.task.state({ id }, soon)).status, Status.RUNNING);
    await pod.shim.task.kill({ id, signal: 9, all: true }, soon);
    await within('end of the container', 15_000, pod.shim.task.wait({ id }));
    await pod.shim.task.delete({ id }, soon);
    await ended(pod);
  }),
);

for (const [kind, what] of [
  ['unknown', 'frames of streams that nobody opened'],
  ['long', 'a frame longer than any may be'],
] as const) {
  test(`${what}: the VM is given up`, options, (t) =>
    attacked(`frames-${kind}`, async (pod) => {
      const pid = await pod.shim.pid();
      const before = cpuMs(pid);
      const answers = watchAnswers(pod.shim);
      const exit = pod.shim.task.wait({ id: pod.id }, { timeoutMs: 30_000 });
      // The answer to the exec that begins it may not come any more.
      const attacking = pod.asGuestRoot(`frames ${kind}`).catch(() => undefined);
      const { exitStatus } = await within('end of the VM', 20_000, exit);
      assert.notEqual(exitStatus, 0);
      const longest = await answers.stop();
      await attacking;
      t.diagnostic(`shim: ${cpuMs(pid) - before} ms of CPU, State within ${longest.toFixed(0)} ms`);
      assert.ok(longest < 1_000, `State took ${longest} ms`);
      assert.match(
        pod.shim.log(),
        /the VM is given up.*the guest broke its protocol: [^"]*too much within 10 s/,
      );
      await pod.shim.task.delete({ id: pod.id }, soon);
    }),
  );
}
