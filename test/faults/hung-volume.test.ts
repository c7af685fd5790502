// A volume of the host that never answers (a network file system whose server is gone): what does not need it goes on, what does
// ends in bounded time, and nothing is left.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { isRunning } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { HungVolume } from '../support/hung-volume.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import { containerSpec, type Spec } from '../support/spec.ts';

const options = { skip: !runtime.isVm && 'it is about our shim', timeout: 150_000 };
/** containerd's own limit for State. */
const SOON = { timeoutMs: 2_000 };

let fake: FakeContainerd;
let clean: Belongings;
let volume: HungVolume;
before(async () => {
  fake = await FakeContainerd.start();
});
after(async () => {
  await volume?.end();
  await fake.stop();
});

function podSpec(id: string, sandboxId: string, script: string): Spec {
  const type = id === sandboxId ? 'sandbox' : 'container';
  return {
    ...containerSpec(['sh', '-c', script], `/${fake.namespace}/${id}`),
    annotations: { 'io.kubernetes.cri.container-type': type, 'io.kubernetes.cri.sandbox-id': sandboxId },
  };
}

/** A further container of a pod, with the volume. */
async function join(shim: Shim, id: string, script: string): Promise<unknown> {
  const spec = podSpec(id, shim.id, script);
  spec.mounts.push({ destination: '/vol', type: 'bind', source: volume.path, options: ['rbind', 'rw'] });
  const bundle = await fake.bundle(id, spec);
  const rootfs = await fake.rootfs(id);
  return shim.task.create({ id, bundle, rootfs }, { timeoutMs: 60_000 });
}

async function useHung(body: () => Promise<void>): Promise<void> {
  volume = await HungVolume.mount(fake.dir);
  clean = belongings(fake);
  try {
    await body();
  } finally {
    await volume.end();
  }
}

test('a volume hangs while a container of a pod reads it: the pod answers, and ends', options, () =>
  useHung(async () => {
    const id = 'reads';
    const shim = await fake.shim(id, podSpec(id, id, 'echo up; exec sleep 1000'));
    await shim.run();
    const reader = `${id}-2`;
    await join(shim, reader, 'while :; do cat /vol/file >/dev/null; done');
    await shim.task.start({ id: reader }, { timeoutMs: 30_000 });
    await volume.hang();
    for (const one of [id, reader])
      assert.equal((await shim.task.state({ id: one }, SOON)).status, Status.RUNNING);
    // What the pod reads of its other files waits, too: one daemon serves them, one request after the other.
    await within('Kill of the reader', 5_000, shim.task.kill({ id: reader, signal: 9, all: true }));
    await shim.task.kill({ id, signal: 9, all: true }, { timeoutMs: 5_000 });
    const waits = [reader, id].map((one) => shim.task.wait({ id: one }));
    for (const exit of await within('exits', 30_000, Promise.all(waits))) assert.equal(exit.exitStatus, 137);
    for (const one of [reader, id]) await within(`Delete of ${one}`, 20_000, shim.task.delete({ id: one }));
    await shim.remove();
    await assertNothingNew(fake, clean, [id]);
  }),
);

test(
  'a container is to have a volume that hangs: its pod answers meanwhile, Create ends, the pod ends',
  options,
  () =>
    useHung(async () => {
      const id = 'wants';
      const shim = await fake.shim(id, podSpec(id, id, 'echo up; exec sleep 1000'));
      const io = await shim.run();
      await io.expect(/up/);
      await volume.hang();
      const create = join(shim, `${id}-2`, 'exec sleep 1000');
      const failed = assert.rejects(
        within('end of Create', 40_000, create),
        /the file system of \S+ did not answer within/,
      );
      assert.equal((await shim.task.state({ id }, SOON)).status, Status.RUNNING);
      const { io: out } = await shim.exec(containerSpec(['echo', 'lives'], '').process);
      await out.expect(/lives/);
      await failed;
      await shim.task.kill({ id, signal: 9, all: true }, { timeoutMs: 5_000 });
      await within('exit', 20_000, shim.task.wait({ id }));
      await shim.task.delete({ id }, { timeoutMs: 20_000 });
      await shim.remove();
      await assertNothingNew(fake, clean, [id]);
    }),
);

test('the shim is killed while it waits for a volume that hangs: delete leaves nothing', options, () =>
  useHung(async () => {
    const id = 'killed';
    const shim = await fake.shim(id, podSpec(id, id, 'echo up; exec sleep 1000'));
    await shim.run();
    const pid = await shim.pid();
    await volume.hang();
    const create = join(shim, `${id}-2`, 'exec sleep 1000');
    create.catch(() => undefined);
    process.kill(pid, 'SIGKILL');
    await waitFor('end of the shim', () => !isRunning(pid), 5_000);
    await assert.rejects(create);
    const deleted = await within('delete', 10_000, shim.deleteBinary());
    assert.equal(deleted.code, 0, deleted.stderr);
    await shim.remove();
    await assertNothingNew(fake, clean, [id]);
  }),
);
