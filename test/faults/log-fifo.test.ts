// A log FIFO that nobody reads and that is full (containerd is stuck or down): the shim goes on and can be ended, and says
// later that lines are missing.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { openFiles } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const options = { skip: !runtime.isVm && 'it is about our shim', timeout: 150_000 };
const SOON = { timeoutMs: 5_000 };
const O_NONBLOCK = 0o4000;

const { fake, clean } = await useFakeContainerd();

const specOf = (id: string) =>
  containerSpec(['sh', '-c', 'echo up; exec sleep 1000'], `/${fake.namespace}/${id}`);

/** Every descriptor of the shim that leads to its log. */
async function assertNoneBlocks(shim: Shim): Promise<void> {
  const pid = await shim.pid();
  const logs = [...openFiles(pid)].filter(([, target]) => target === `${shim.bundle}/log`);
  assert.ok(logs.length > 0, 'the shim has its log open');
  for (const [fd] of logs) {
    const info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    const flags = Number.parseInt(/^flags:\s+(\d+)/m.exec(info)?.[1] ?? '', 8);
    assert.ok((flags & O_NONBLOCK) !== 0, `descriptor ${fd} of the log would block: ${info}`);
  }
}

/** What containerd asks, and the end. */
async function useAndEnd(shim: Shim): Promise<void> {
  const { id } = shim;
  assert.equal((await shim.task.state({ id }, SOON)).status, Status.RUNNING);
  // Each refusal is an error in the log, with what led to it: more than a FIFO holds.
  const again = () => shim.task.create({ id: `${id}-no`, bundle: '/nowhere' }, SOON);
  for (let i = 0; i < 300; i++) await assert.rejects(again, /config\.json/);
  const { execId, io } = await shim.exec(containerSpec(['echo', 'lives'], '').process);
  await io.expect(/lives/);
  await within('end of the exec', 20_000, shim.task.wait({ id, execId }));
  await shim.task.kill({ id, signal: 9 }, SOON);
  assert.equal((await within('exit', 20_000, shim.task.wait({ id }))).exitStatus, 137);
  await shim.task.delete({ id }, { timeoutMs: 20_000 });
}

test('full before the shim starts, so before it has written a line', options, async () => {
  const id = 'early';
  const shim = await fake.shim(id, specOf(id), () => fake.stopLog(id));
  await assertNoneBlocks(shim);
  await (await shim.run()).expect(/up/);
  await useAndEnd(shim);
  fake.resumeLog(id);
  // One line more, when there is room again.
  await waitFor('the count of what is missing', async () => {
    await shim.task.create({ id: `${id}-no`, bundle: '/nowhere' }, SOON).catch(() => undefined);
    return /log lines were dropped/.test(shim.log());
  });
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test('full when the container runs and much has been written', options, async () => {
  const id = 'late';
  const shim = await fake.shim(id, specOf(id));
  await (await shim.run()).expect(/up/);
  await waitFor('lines of the log', () => /container created/.test(shim.log()));
  await fake.stopLog(id);
  await useAndEnd(shim);
  fake.resumeLog(id);
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});

test('full when the shim is told to end, which it does', options, async () => {
  const id = 'ending';
  const shim = await fake.shim(id, specOf(id));
  await (await shim.run()).expect(/up/);
  await fake.stopLog(id);
  const pid = await shim.pid();
  process.kill(pid, 'SIGTERM');
  await waitFor('end of the shim', () => openFiles(pid).size === 0, 15_000);
  fake.resumeLog(id);
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});
