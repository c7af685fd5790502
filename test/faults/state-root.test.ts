// A state root behind a symbolic link, with live binds of users' data: the shim ends, or is killed, and no file of theirs is touched.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mountsBelow } from '../../scripts/stand/mounts.ts';
import { isRunning } from '../../scripts/stand/processes.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import type { Shim } from '../support/fake-containerd.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const skip = !runtime.isVm && 'it is about the state of VMs';

const { fake, clean } = await useFakeContainerd();
const data = join(fake.dir, 'data');
for (const name of ['data/deep', 'really']) mkdirSync(join(fake.dir, name), { recursive: true });
for (const name of ['precious', 'deep/precious']) writeFileSync(join(data, name), 'kept');
symlinkSync(join(fake.dir, 'really'), fake.bulkheadState);

async function running(id: string): Promise<Shim> {
  const spec = containerSpec(['sh', '-c', 'echo up; exec sleep 1000'], `/${fake.namespace}/${id}`);
  spec.mounts.push(
    { destination: '/data', type: 'bind', source: data, options: ['rbind', 'rw'] },
    { destination: '/fixed', type: 'bind', source: join(data, 'precious'), options: ['rbind', 'ro'] },
  );
  const shim = await fake.shim(id, spec);
  await (await shim.run()).expect(/up/);
  const mounts = mountsBelow(join(fake.dir, 'really'));
  assert.equal(mounts.length, 4, 'the mount for all, the root, two volumes');
  return shim;
}

async function assertUntouched(id: string): Promise<void> {
  for (const name of ['precious', 'deep/precious'])
    assert.equal(readFileSync(join(data, name), 'utf8'), 'kept');
  assert.deepEqual(mountsBelow(join(fake.dir, 'really')), []);
  assert.deepEqual(readdirSync(join(fake.dir, 'really')), []);
  await assertNothingNew(fake, clean, [id]);
}

test('the shim ends its sandbox', { skip, timeout: 60_000 }, async () => {
  const shim = await running('ends');
  await shim.task.kill({ id: shim.id, signal: 9 });
  await within('exit', 20_000, shim.task.wait({ id: shim.id }));
  await shim.task.delete({ id: shim.id });
  await within('teardown', 30_000, shim.remove());
  await assertUntouched('ends');
});

test('the shim is killed, and several deletes run at once', { skip, timeout: 60_000 }, async () => {
  const shim = await running('killed');
  const { shimPid } = await shim.task.connect({ id: shim.id });
  process.kill(shimPid, 'SIGKILL');
  await waitFor('end of the shim', () => !isRunning(shimPid), 5_000);
  const deletes = [1, 2, 3].map(() => fake.invoke('killed', 'delete', ['-bundle', shim.bundle]));
  for (const { code, stderr } of await Promise.all(deletes)) assert.equal(code, 0, stderr);
  await within('teardown', 30_000, shim.remove());
  await assertUntouched('killed');
});
