// The sandbox API (a pod without a pause container) as containerd calls it, on a played host.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Code } from 'ttrpc-ts';
import { PlayedHost, usePlayedHosts } from '../sandbox/testing/played-host.ts';
import { PlayedShim } from './testing/played-shim.ts';

usePlayedHosts();
const options = { timeout: 30_000 };
const sandboxId = 's';

let host: PlayedHost;
let shim: PlayedShim;
beforeEach(() => {
  host = new PlayedHost();
  shim = new PlayedShim(host);
});

const create = () => shim.sandbox.createSandbox({ sandboxId, bundlePath: host.folder('bundle-sandbox') });

async function started(): Promise<void> {
  await create();
  await shim.sandbox.startSandbox({ sandboxId });
}

const stateOf = async () => (await shim.sandbox.sandboxStatus({ sandboxId })).state;

test('a pod from CreateSandbox to ShutdownSandbox', options, async () => {
  const { sandbox, task } = shim;
  await create();
  assert.equal(await stateOf(), 'SANDBOX_NOTREADY');
  const waiting = sandbox.waitSandbox({ sandboxId });
  const { pid, createdAt } = await sandbox.startSandbox({ sandboxId });
  assert.equal(pid, host.vm.pid);
  assert.ok(createdAt);
  assert.equal(await stateOf(), 'SANDBOX_READY');
  await sandbox.pingSandbox({ sandboxId });
  assert.equal((await sandbox.platform({ sandboxId })).platform?.os, 'linux');
  await shim.run('a');
  assert.deepEqual(host.events, ['create', 'start'], 'containerd knows no task of the stand-in');
  await task.kill({ id: 'a', signal: 9 });
  await task.wait({ id: 'a' });
  await task.delete({ id: 'a' });
  await task.shutdown({ id: 'a' });
  assert.equal(shim.exits, 0, "that is the sandbox service's to decide");
  await sandbox.stopSandbox({ sandboxId });
  assert.equal((await waiting).exitStatus, 137);
  assert.equal(await stateOf(), 'SANDBOX_NOTREADY');
  assert.deepEqual(host.left(), []);
  await sandbox.stopSandbox({ sandboxId });
  await sandbox.shutdownSandbox({ sandboxId });
  assert.equal(shim.exits, 1);
});

test(
  'a container of it has the host name, the hosts and the resolver that the pod has',
  options,
  async () => {
    await started();
    const volumes = () => host.left().filter((line) => /^mount .*\/mounts\/volumes\/\d+$/.test(line)).length;
    const standIn = volumes();
    await shim.create('a');
    assert.equal(volumes(), standIn + 3);
    await shim.create('b');
    assert.equal(volumes(), standIn + 3, 'mounted once for all of them');
    await shim.sandbox.shutdownSandbox({ sandboxId });
    assert.deepEqual(host.left(), []);
  },
);

describe('a start that fails', () => {
  test('ends every wait, and leaves nothing; it is not tried again', options, async () => {
    host.guest.fails.set('createContainer', new Error('no room'));
    await create();
    const waiting = shim.sandbox.waitSandbox({ sandboxId });
    await assert.rejects(shim.sandbox.startSandbox({ sandboxId }), /no room/);
    assert.equal((await waiting).exitStatus, 128);
    assert.equal((await shim.sandbox.waitSandbox({ sandboxId })).exitStatus, 128, 'a later one, too');
    assert.deepEqual(host.left(), []);
    await assert.rejects(shim.sandbox.startSandbox({ sandboxId }), { code: Code.FailedPrecondition });
    assert.equal(await stateOf(), 'SANDBOX_NOTREADY');
  });

  test('in the stand-in, after the boot: the VM goes', options, async () => {
    host.guest.fails.set('startContainer', new Error('no such program'));
    await create();
    await assert.rejects(shim.sandbox.startSandbox({ sandboxId }), /no such program/);
    assert.equal((await shim.sandbox.waitSandbox({ sandboxId })).exitStatus, 128);
    assert.deepEqual(host.left(), []);
  });
});

describe('a stop', () => {
  test('before the start: there is nothing to wait for, nor to start', options, async () => {
    await create();
    await shim.sandbox.stopSandbox({ sandboxId });
    assert.equal((await shim.sandbox.waitSandbox({ sandboxId })).exitStatus, 0);
    await assert.rejects(shim.sandbox.startSandbox({ sandboxId }), { code: Code.FailedPrecondition });
    assert.equal(host.vms.length, 0);
  });

  for (const call of ['createSandbox', 'createContainer s', 'startContainer s']) {
    test(`while the guest is silent in ${call}: the start fails, nothing is left`, options, async () => {
      host.guest.hold(call);
      await create();
      const starting = assert.rejects(shim.sandbox.startSandbox({ sandboxId }));
      await host.guest.called(call);
      await shim.sandbox.stopSandbox({ sandboxId });
      assert.deepEqual(host.left(), []);
      await starting;
      await shim.sandbox.waitSandbox({ sandboxId });
      assert.equal(await stateOf(), 'SANDBOX_NOTREADY');
    });
  }
});

test('the death of the VM ends the wait and the readiness', options, async () => {
  await started();
  const waiting = shim.sandbox.waitSandbox({ sandboxId });
  host.vm.end();
  assert.equal((await waiting).exitStatus, 137);
  const status = await shim.sandbox.sandboxStatus({ sandboxId });
  assert.equal(status.state, 'SANDBOX_NOTREADY');
  assert.ok(status.exitedAt);
  await shim.sandbox.shutdownSandbox({ sandboxId });
  assert.deepEqual(host.left(), []);
});

test('what is not there, is there already, or cannot be, has its code', options, async () => {
  const { sandbox } = shim;
  const none = { sandboxId };
  const calls = [sandbox.startSandbox(none), sandbox.stopSandbox(none), sandbox.waitSandbox(none)];
  for (const call of [
    ...calls,
    sandbox.sandboxStatus(none),
    sandbox.pingSandbox(none),
    sandbox.platform(none),
  ])
    await assert.rejects(call, { code: Code.NotFound, message: 'sandbox s: not found' });
  await assert.rejects(sandbox.createSandbox({ sandboxId: '', bundlePath: '/b' }), {
    code: Code.InvalidArgument,
  });
  const rootfs = [{ type: 'bind', source: '/', target: '', options: [] }];
  await assert.rejects(sandbox.createSandbox({ sandboxId, bundlePath: '/b', rootfs }), {
    code: Code.InvalidArgument,
  });
  await started();
  await assert.rejects(create(), { code: Code.AlreadyExists });
  await assert.rejects(sandbox.startSandbox({ sandboxId }), { code: Code.AlreadyExists });
  await assert.rejects(sandbox.sandboxMetrics({ sandboxId }), { code: Code.Unimplemented });
  await sandbox.shutdownSandbox({ sandboxId });
  assert.deepEqual(host.left(), []);
});
