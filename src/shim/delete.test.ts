// `delete`, which undoes what a shim has left; processes, folders and mounts are real.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { DeleteResponse } from '../gen/task.ts';
import { processRef } from '../host/process.ts';
import { SandboxState } from '../sandbox/state.ts';
import { PlayedHost, usePlayedHosts } from '../sandbox/testing/played-host.ts';
import { parseArgs } from './args.ts';
import { deleteTask } from './delete.ts';

usePlayedHosts();

let host: PlayedHost;
let shim: ChildProcess;
beforeEach(async () => {
  host = new PlayedHost();
  shim = spawn('sleep', ['1000']);
  await once(shim, 'spawn');
});
afterEach(() => shim.kill('SIGKILL'));

const sandboxAnnotations = {
  'io.kubernetes.cri.container-type': 'sandbox',
  'io.kubernetes.cri.sandbox-id': 's',
};
const memberAnnotations = { ...sandboxAnnotations, 'io.kubernetes.cri.container-type': 'container' };

/** The sandbox `s` as a shim has left it: its folder, and its socket beside. */
function sandbox(isOwnDeleted = false): SandboxState {
  const socket = join(host.folder('sockets'), 'socket');
  writeFileSync(socket, '');
  return SandboxState.create({
    ...{ version: 1, namespace: host.context.namespace, id: 's', createdAt: '', bundle: '' },
    ...{ socket, shim: processRef(shim.pid!)!, processes: [], isOwnDeleted },
  });
}

async function remove(id: string, spec?: object | string): Promise<DeleteResponse> {
  const bundle = host.folder(`bundle-${id}`);
  const text = typeof spec === 'string' ? spec : JSON.stringify(spec);
  if (spec !== undefined) writeFileSync(join(bundle, 'config.json'), text);
  const args = parseArgs(['-namespace', host.context.namespace, '-id', id, '-address', '/c.sock', 'delete']);
  return DeleteResponse.decode(await deleteTask(args, bundle));
}

const isRunning = (): boolean => shim.exitCode === null && shim.signalCode === null;

test("a sandbox's own delete ends its shim and leaves nothing; the answer is a task killed just now", async () => {
  const { record } = sandbox();
  const before = Date.now();
  const ended = once(shim, 'exit');
  const { exitStatus, exitedAt } = await remove('s', { annotations: sandboxAnnotations });
  assert.equal(exitStatus, 137);
  const at = Number(exitedAt!.seconds) * 1000 + exitedAt!.nanos / 1e6;
  assert.ok(at >= before && at <= Date.now());
  assert.deepEqual(await ended, [null, 'SIGKILL']);
  assert.deepEqual(host.left(), []);
  assert.ok(!existsSync(record.socket));
});

test('twice, at once, and of what never was: the same answer', async () => {
  sandbox();
  const all = await Promise.all([1, 2, 3].map(() => remove('s', { annotations: sandboxAnnotations })));
  all.push(await remove('s'), await remove('never'));
  assert.deepEqual(
    all.map(({ exitStatus }) => exitStatus),
    [137, 137, 137, 137, 137],
  );
  assert.deepEqual(host.left(), []);
});

test("that of a pod's container leaves the pod alone", async () => {
  sandbox();
  const left = host.left();
  assert.equal((await remove('member', { annotations: memberAnnotations })).exitStatus, 137);
  assert.deepEqual(host.left(), left);
  assert.ok(isRunning());
});

test('after the own container was deleted, a living shim has the last word, and a dead one none', async () => {
  sandbox(true);
  const left = host.left();
  await remove('s', { annotations: sandboxAnnotations });
  assert.deepEqual(host.left(), left);
  assert.ok(isRunning());
  shim.kill('SIGKILL');
  await once(shim, 'exit');
  await remove('member', { annotations: memberAnnotations });
  assert.deepEqual(host.left(), []);
});

for (const [what, spec] of Object.entries({
  'cannot be read': '{"annotations": ',
  'is not there': undefined,
  'has no place': { annotations: { ...memberAnnotations, 'io.kubernetes.cri.sandbox-id': '' } },
})) {
  test(`a bundle whose spec ${what} is taken for that of a sandbox`, async () => {
    sandbox();
    await remove('s', spec);
    assert.deepEqual(host.left(), []);
  });
}

test('what cannot be removed is an error that names it, and the next delete can', async () => {
  const { dir } = sandbox();
  mkdirSync(join(dir, 'strange/a/b'), { recursive: true });
  writeFileSync(join(dir, 'strange/a/b/precious'), '');
  await assert.rejects(remove('s'), /strange/);
  assert.ok(existsSync(join(dir, 'strange/a/b/precious')), 'nothing of a stranger goes');
  rmSync(join(dir, 'strange'), { recursive: true });
  await remove('s');
  assert.deepEqual(host.left(), []);
});
