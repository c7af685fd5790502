// containerd dies in the middle of a Create: its connection closes, and the container that nobody knows of must not stay.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, createClient } from 'ttrpc-ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { TaskV2 } from '../../src/gen/task.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const skip = !runtime.isVm && 'the reference creates at once';
const limit = { timeoutMs: 60_000 };

const { fake, clean } = await useFakeContainerd();

const spec = (id: string, annotations: Record<string, string> = {}) => ({
  ...containerSpec(['sleep', '1000'], `/${fake.namespace}/${id}`),
  annotations,
});

/** Asks for a container and is gone after a time, but for its ear: an answer that is on its way by then counts. */
async function abandon(address: string, id: string, bundle: string, afterMs: number): Promise<boolean> {
  const socket = connect(address);
  const connection = new Connection(socket);
  const creating = createClient(TaskV2, connection).create(
    { id, bundle, rootfs: await fake.rootfs(id) },
    limit,
  );
  const answered = creating.then(
    () => true,
    () => false,
  );
  await sleep(afterMs);
  socket.end();
  return await answered.finally(() => connection.close());
}

async function isUnknown(shim: Shim, id: string): Promise<boolean> {
  return await shim.task.state({ id }, limit).then(
    () => false,
    () => true,
  );
}

/** Ends what was answered in time; of all else nothing may come up later, nor stay. */
async function settle(shim: Shim, id: string, wasAnswered: boolean): Promise<void> {
  if (wasAnswered) {
    await shim.task.delete({ id }, limit);
    return;
  }
  assert.ok(await isUnknown(shim, id));
  const settled = () => fake.log().includes(`container=${id} error=`);
  await waitFor('end of the abandoned Create', settled, 30_000, 50);
  assert.ok(await isUnknown(shim, id), 'the container does not come up later');
}

test('the Create that boots a VM', { skip, timeout: 180_000 }, async () => {
  let abandoned = 0;
  for (const afterMs of [100, 600, 900, 1_100, 1_300, 1_500]) {
    const id = `${fake.namespace}-b${afterMs}`;
    const shim = await fake.shim(id, spec(id));
    const wasAnswered = await abandon(shim.address, id, shim.bundle, afterMs);
    if (!wasAnswered) abandoned++;
    await settle(shim, id, wasAnswered);
    await shim.remove();
    await assertNothingNew(fake, clean, [id]);
  }
  assert.ok(abandoned > 0);
});

test('the Create of a container that joins', { skip, timeout: 120_000 }, async () => {
  const sandboxId = `${fake.namespace}-pod`;
  const type = 'io.kubernetes.cri.container-type';
  const podSpec = spec(sandboxId, { [type]: 'sandbox' });
  const shim = await fake.shim(sandboxId, podSpec);
  await shim.run();
  let abandoned = 0;
  for (const afterMs of [1, 10, 25, 40, 60]) {
    const id = `${sandboxId}-c${afterMs}`;
    const joining = spec(id, { [type]: 'container', 'io.kubernetes.cri.sandbox-id': sandboxId });
    const bundle = await fake.bundle(id, joining);
    const wasAnswered = await abandon(shim.address, id, bundle, afterMs);
    if (!wasAnswered) abandoned++;
    await settle(shim, id, wasAnswered);
    await shim.task.create({ id, bundle, rootfs: await fake.rootfs(`${id}-again`) }, limit);
    await shim.task.delete({ id }, limit);
  }
  assert.ok(abandoned > 0);
  await shim.remove();
  await assertNothingNew(fake, clean, [sandboxId]);
});
