// The Task API as containerd calls it, on a played host: states, races, codes of errors.
import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { Code, TtrpcError } from 'ttrpc-ts';
import { ShimError } from '../base/errors.ts';
import { Status } from '../gen/task.ts';
import { PlayedHost, usePlayedHosts } from '../sandbox/testing/played-host.ts';
import { toStatus } from './errors.ts';
import { PlayedShim } from './testing/played-shim.ts';

usePlayedHosts();
const options = { timeout: 30_000 };

let host: PlayedHost;
let shim: PlayedShim;
beforeEach(() => {
  host = new PlayedHost();
  shim = new PlayedShim(host);
});

async function over(): Promise<void> {
  await shim.service.end('the test is over');
  assert.deepEqual(host.left(), []);
}

test('a pod from its first Create to Shutdown', options, async () => {
  const { task } = shim;
  assert.deepEqual(await task.connect({ id: 's' }), { shimPid: process.pid, taskPid: 0, version: '' });
  const { pid } = await shim.create('s');
  assert.equal(pid, host.vm.pid);
  const statusOf = async (id: string) => (await task.state({ id })).status;
  assert.equal(await statusOf('s'), Status.CREATED);
  assert.equal((await task.start({ id: 's' })).pid, pid);
  await shim.run('a');
  const state = await task.state({ id: 'a' });
  assert.equal(state.status, Status.RUNNING);
  assert.notEqual(state.pid, pid, 'a number of its own');
  assert.deepEqual(
    (await task.pids({ id: 'a' })).processes.map((one) => one.pid),
    [state.pid],
  );
  await task.pause({ id: 'a' });
  assert.equal(await statusOf('a'), Status.PAUSED);
  await task.resume({ id: 'a' });
  await task.shutdown({ id: 's' });
  assert.equal(shim.exits, 0, 'there is something to serve');
  const waiting = task.wait({ id: 'a' });
  await task.kill({ id: 'a', signal: 9, all: true });
  assert.equal((await waiting).exitStatus, 137);
  assert.equal(await statusOf('a'), Status.STOPPED);
  assert.deepEqual((await task.pids({ id: 'a' })).processes, []);
  await assert.rejects(task.stats({ id: 'a' }), { code: Code.NotFound });
  const deleted = await task.delete({ id: 'a' });
  assert.deepEqual([deleted.exitStatus, deleted.pid], [137, state.pid]);
  host.guest.exit('s', 0);
  await task.wait({ id: 's' });
  await task.delete({ id: 's' });
  assert.deepEqual(host.left(), []);
  await task.shutdown({ id: 's' });
  assert.equal(shim.exits, 1);
});

test('an exec from Exec to Delete', options, async () => {
  const { task } = shim;
  await shim.run('s');
  const spec = { typeUrl: '', value: Buffer.from(JSON.stringify({ args: ['true'], cwd: '/' })) };
  await task.exec({ id: 's', execId: 'e', spec });
  await assert.rejects(task.exec({ id: 's', execId: 'e', spec }), { code: Code.AlreadyExists });
  assert.equal((await task.state({ id: 's', execId: 'e' })).status, Status.CREATED);
  await task.start({ id: 's', execId: 'e' });
  host.guest.exit('s', 4, 'e');
  assert.equal((await task.wait({ id: 's', execId: 'e' })).exitStatus, 4);
  assert.equal((await task.delete({ id: 's', execId: 'e' })).exitStatus, 4);
  await assert.rejects(task.state({ id: 's', execId: 'e' }), { code: Code.NotFound });
  assert.ok(shim.service.isIdle === false);
  await over();
});

test(
  'the death of the VM: waits return, states answer, deletes work, and the pod can be made anew',
  options,
  async () => {
    const { task } = shim;
    await shim.run('s');
    await shim.run('a');
    const waits = ['s', 'a'].map((id) => task.wait({ id }));
    host.vm.end();
    for (const wait of waits) assert.equal((await wait).exitStatus, 137);
    assert.equal((await task.state({ id: 'a' })).status, Status.STOPPED);
    await assert.rejects(shim.create('b'), {
      code: Code.FailedPrecondition,
      message: /whose VM does not run in this shim/,
    });
    for (const id of ['a', 's']) assert.equal((await task.delete({ id })).exitStatus, 137);
    await shim.run('s');
    assert.equal(host.vms.length, 2);
    await over();
  },
);

describe('a Create', () => {
  test('of an id that is being created, or is there, is refused', options, async () => {
    const answer = host.guest.hold('createContainer s');
    const first = shim.create('s');
    await host.guest.called('createContainer s');
    await assert.rejects(shim.create('s'), { code: Code.AlreadyExists });
    await shim.task.shutdown({ id: 's' });
    assert.equal(shim.exits, 0, 'something is being made');
    answer();
    await first;
    await assert.rejects(shim.create('s'), { code: Code.AlreadyExists });
    assert.equal(host.guest.calls.filter((call) => call === 'createContainer s').length, 1);
    await over();
  });

  test('that fails after a Shutdown has come: then the shim ends', options, async () => {
    const answer = host.guest.hold('createContainer s');
    const refused = assert.rejects(shim.create('s'), /not this time/);
    await host.guest.called('createContainer s');
    await shim.task.shutdown({ id: 's' });
    assert.equal(shim.exits, 0);
    host.guest.fails.set('createContainer s', new Error('not this time'));
    answer();
    await refused;
    assert.equal(shim.exits, 1);
    await over();
  });

  test('that failed can be tried again in the same shim', options, async () => {
    host.guest.fails.set('createContainer s', new Error('not this time'));
    await assert.rejects(shim.create('s'), { code: Code.Internal, message: /not this time/ });
    assert.ok(shim.service.isIdle);
    assert.deepEqual(host.left(), []);
    await assert.rejects(shim.task.state({ id: 's' }), { code: Code.NotFound });
    host.guest.fails.clear();
    await shim.run('s');
    await over();
  });

  test(
    "in a sandbox that is another shim's, of a second sandbox, or without a place, is refused",
    options,
    async () => {
      await assert.rejects(shim.create('a'), {
        code: Code.FailedPrecondition,
        message: /sandbox s, whose VM/,
      });
      await shim.run('s');
      await assert.rejects(shim.create('other', { annotations: {} }), {
        code: Code.FailedPrecondition,
        message: 'this shim already serves sandbox s',
      });
      const annotations = { 'io.kubernetes.cri.container-type': 'container' };
      await assert.rejects(shim.create('stray', { annotations }), {
        code: Code.InvalidArgument,
        message: /container stray cannot be placed: /,
      });
      assert.deepEqual(host.vms.length, 1);
      await over();
    },
  );

  test('of a bundle that cannot be read says where', options, async () => {
    await assert.rejects(shim.create('s', '{"ociVersion": 1,'), /bundle-s\/config\.json/);
    assert.deepEqual(host.left(), []);
  });

  test('from a checkpoint is not possible', options, async () => {
    const request = { id: 's', bundle: shim.bundle('s'), checkpoint: '/c' };
    await assert.rejects(shim.task.create(request), { code: Code.Unimplemented });
  });
});

describe('the end of the shim', () => {
  for (const call of ['createSandbox', 'createContainer s']) {
    test(`while the guest is silent in ${call}: the Create fails, and nothing is left`, options, async () => {
      host.guest.hold(call);
      const creating = assert.rejects(shim.create('s'), {
        code: Code.Canceled,
        message: 'the sandbox is ending: SIGTERM',
      });
      await host.guest.called(call);
      await shim.service.end('SIGTERM');
      assert.deepEqual(host.left(), []);
      await creating;
      await assert.rejects(shim.create('s'), { code: Code.Canceled });
      assert.equal(host.vms.length, 1);
    });
  }

  test(
    'while a container joins: its Create fails, all exits are told, nothing is left',
    options,
    async () => {
      await shim.run('s');
      host.guest.hold('createContainer a');
      const creating = assert.rejects(shim.create('a'), { code: Code.Canceled });
      await host.guest.called('createContainer a');
      const waiting = shim.task.wait({ id: 's' });
      await shim.service.end('SIGTERM');
      assert.deepEqual(host.left(), []);
      await creating;
      assert.equal((await waiting).exitStatus, 137);
      assert.deepEqual(host.events, ['create', 'start', 'exit s 137']);
    },
  );

  test('twice is once', options, async () => {
    await shim.run('s');
    await Promise.all([shim.service.end('one'), shim.service.end('two')]);
    assert.deepEqual(host.left(), []);
    assert.equal(host.events.filter((event) => event.startsWith('exit')).length, 1);
  });
});

test('what is not there, or makes no sense, has its code', options, async () => {
  const { task } = shim;
  const none = { id: 'none' };
  const calls = [
    ...[task.start(none), task.delete(none), task.state(none), task.pids(none), task.wait(none)],
    ...[task.kill({ ...none, signal: 9 }), task.pause(none), task.resume(none), task.stats(none)],
    ...[task.resizePty(none), task.closeIO({ ...none, stdin: true })],
  ];
  for (const call of calls) await assert.rejects(call, { code: Code.NotFound, message: /not found/ });
  await assert.rejects(task.checkpoint(none), { code: Code.Unimplemented });
  await shim.run('s');
  const id = 's';
  await assert.rejects(task.kill({ id, signal: 65 }), { code: Code.InvalidArgument });
  await assert.rejects(task.exec({ id, execId: 'e' }), { code: Code.InvalidArgument });
  await assert.rejects(task.update({ id }), { code: Code.InvalidArgument });
  await assert.rejects(task.start({ id }), { code: Code.FailedPrecondition });
  await assert.rejects(task.delete({ id }), { code: Code.FailedPrecondition });
  await over();
});

test('an error keeps its code, and its text, on the way to containerd', () => {
  const passed = new TtrpcError(Code.Aborted, 'as it is');
  assert.equal(toStatus(passed), passed);
  const codes = {
    'not-found': Code.NotFound,
    unavailable: Code.Unavailable,
    canceled: Code.Canceled,
  } as const;
  for (const [code, expected] of Object.entries(codes)) {
    const error = toStatus(new ShimError(code as keyof typeof codes, 'what, where, what to do'));
    assert.deepEqual([error.code, error.message], [expected, 'what, where, what to do']);
  }
  assert.equal(toStatus(new TypeError('a bug')).code, Code.Internal);
  assert.deepEqual([toStatus('thrown').code, toStatus('thrown').message], [Code.Internal, 'thrown']);
});
