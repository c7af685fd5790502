// A volume of one container whose server does not answer any more: what needs no files of the share goes on.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import { within } from '../../scripts/stand/wait.ts';
import { Status } from '../../src/gen/task.ts';
import { HungVolume } from '../support/hung-volume.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, processSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const type = 'io.kubernetes.cri.container-type';
const limit = { timeoutMs: 45_000 };
/** More than the agent and the shim give a creation. */
const slow = { timeoutMs: 60_000 };

const { fake, clean } = await useFakeContainerd();

const spec = (id: string, annotations: Record<string, string>) => ({
  ...containerSpec(['sleep', '100000'], `/${fake.namespace}/${id}`),
  annotations,
});

test('State, statistics, signals; a creation is told why it fails, and can be tried again', {
  skip: (!runtime.isVm && 'it is about the VM') || (!existsSync('/dev/fuse') && 'this host has no /dev/fuse'),
  timeout: 300_000,
}, async (t) => {
  const podId = `${fake.namespace}-pod`;
  const silent = await HungVolume.mount(fake.dir);
  t.after(() => silent.end());
  const shim = await fake.shim(podId, spec(podId, { [type]: 'sandbox' }));
  await shim.run();
  const { task } = shim;
  const bundles = new Map<string, string>();
  const addToPod = async (id: string, mounts: object[] = []) => {
    const own = spec(id, { [type]: 'container', 'io.kubernetes.cri.sandbox-id': podId });
    const bundle = await fake.bundle(id, { ...own, mounts: [...own.mounts, ...mounts] } as typeof own);
    bundles.set(id, bundle);
    await task.create({ id, bundle, rootfs: await fake.rootfs(id) }, slow);
    await task.start({ id }, limit);
  };
  const typeUrl = 'types.containerd.io/opencontainers/runtime-spec/1/Process';
  const exec = async (id: string, execId: string, args: string[], cwd = '/') => {
    const process = { ...processSpec(args), cwd };
    await task.exec({ id, execId, spec: { typeUrl, value: Buffer.from(JSON.stringify(process)) } }, limit);
    await task.start({ id, execId }, limit);
  };
  await addToPod('hung', [{ destination: '/v', type: 'bind', source: silent.path, options: ['rbind'] }]);
  await exec('hung', 'before', ['cat', '/v/file']);
  assert.equal((await task.wait({ id: 'hung', execId: 'before' }, limit)).exitStatus, 0);

  await addToPod('fine');
  await silent.hang();
  // The daemon of the share waits for it, too, so nothing of the share is answered any more.
  exec('hung', 'after', ['cat', '/v/file']).catch(() => undefined);
  const creating = addToPod('late');
  creating.catch(() => undefined);

  await task.stats({ id: 'fine' }, limit);
  assert.equal((await task.state({ id: 'hung' }, limit)).status, Status.RUNNING);
  await task.kill({ id: 'fine', signal: 9 }, limit);
  assert.equal((await within('exit', 45_000, task.wait({ id: 'fine' }))).exitStatus, 137);
  await task.delete({ id: 'fine' }, limit);
  await task.stats({ id: 'hung' }, limit);

  await assert.rejects(creating, /creating container late: .*did not answer within/);
  silent.wake();
  await task.create({ id: 'late', bundle: bundles.get('late')!, rootfs: await fake.rootfs('again') }, limit);
  await task.start({ id: 'late' }, limit);
  await exec('late', 'one', ['true']);
  assert.equal((await task.wait({ id: 'late', execId: 'one' }, limit)).exitStatus, 0);
  for (const id of ['late', 'hung']) {
    await task.kill({ id, signal: 9 }, limit);
    await task.wait({ id }, limit);
    await task.delete({ id }, limit);
  }
  await shim.remove();
  await silent.end();
  await assertNothingNew(fake, clean, [podId]);
});
