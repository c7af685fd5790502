// The life and the end of a sandbox whose VM, guest and streams are played; folders and mounts are real.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, watch } from 'node:fs';
import { beforeEach, describe, test } from 'node:test';
import { Sandbox } from './sandbox.ts';
import { PlayedHost, usePlayedHosts } from './testing/played-host.ts';

usePlayedHosts();
const options = { timeout: 30_000 };
const never = new AbortController().signal;

let host: PlayedHost;
beforeEach(() => {
  host = new PlayedHost();
});

/** A sandbox whose containers all run; the first is its own. */
async function running(settings: { pod?: boolean; disk?: boolean }, ...others: string[]): Promise<Sandbox> {
  const first = settings.disk ? host.containerOnDisk('s') : host.container('s');
  const sandbox = await Sandbox.boot(host.context, host.bootRequest(first, settings), never);
  for (const id of others) await sandbox.create(host.container(id), never);
  for (const id of ['s', ...others]) await sandbox.find(id)!.start('');
  host.events.length = 0;
  return sandbox;
}

async function exits(sandbox: Sandbox, id: string, status = 0): Promise<void> {
  host.guest.exit(id, status);
  await sandbox.find(id)!.init.exited;
}

describe('the end of the VM', () => {
  test('is an exit of every process, once, and all is given back', options, async () => {
    const sandbox = await running({}, 'a', 'b');
    const { init } = sandbox.find('a')!;
    host.vm.end({ cause: 'guest-panicked', reason: 'the guest panicked' });
    await init.exited;
    await sandbox.end('another says so, too');
    assert.deepEqual(host.events.toSorted(), ['exit a 137', 'exit b 137', 'exit s 137']);
    assert.deepEqual(host.left(), []);
    assert.equal(host.log.filter((line) => line.startsWith('the VM ended')).length, 1);
    assert.deepEqual((await sandbox.delete(sandbox.find('a')!)).status, 137, 'containerd can still delete');
    await assert.rejects(sandbox.create(host.container('c'), never), {
      code: 'unavailable',
      message: /the VM of sandbox s is gone: the guest panicked/,
    });
  });

  test('that somebody asked for is no warning, whoever asks again gets the same end', options, async () => {
    const sandbox = await running({}, 'a');
    const ends = [sandbox.end('first'), sandbox.end('second')];
    assert.equal(ends[0], ends[1]);
    assert.ok(sandbox.isGone);
    await ends[0];
    assert.deepEqual(host.left(), []);
    assert.ok(!host.log.some((line) => line.startsWith('the VM ended')));
    await assert.rejects(sandbox.create(host.container('c'), never), /is gone: first/);
  });

  test('is declared when the connection to the agent breaks, with the reason', options, async () => {
    const sandbox = await running({});
    host.vm.agent.destroy();
    await sandbox.find('s')!.init.exited;
    await sandbox.end('the test is over');
    assert.ok(host.log.some((line) => line.includes('the connection to the guest agent broke')));
    assert.deepEqual(host.left(), []);
  });

  test('is declared when the guest does not carry out a SIGKILL', options, async () => {
    const sandbox = await running({}, 'a');
    host.guest.isDeaf = true;
    await sandbox.find('a')!.kill('', 9, true);
    await sandbox.find('a')!.init.exited;
    await sandbox.end('the test is over');
    assert.deepEqual(host.events.toSorted(), ['exit a 137', 'exit s 137']);
    assert.ok(host.log.some((line) => line.includes('container a did not end within 200 ms after SIGKILL')));
    assert.deepEqual(host.left(), []);
  });

  test('gives all back also when the end of a container throws', options, async () => {
    const sandbox = await running({}, 'a');
    sandbox.find('a')!.init.io.close = () => Promise.reject(new Error('a bug'));
    await assert.rejects(sandbox.end('the test is over'), /a bug/);
    assert.deepEqual(host.left(), ['open streams']);
  });

  test('while a container is being made: it is refused, and nothing of it is left', options, async () => {
    const sandbox = await running({});
    host.guest.hold('createContainer a');
    const creating = sandbox.create(host.container('a'), never);
    creating.catch(() => undefined);
    await host.guest.called('createContainer a');
    host.vm.end();
    await assert.rejects(creating, { message: /the VM ended: the guest reset itself|is gone/ });
    await sandbox.end('the test is over');
    assert.deepEqual(host.left(), []);
    assert.ok(!host.events.includes('create'));
  });
});

describe('the end of a pod whose containers write to disks', () => {
  test(
    'comes after they were ended in the guest, which writes out; the others are not asked for',
    options,
    async () => {
      const sandbox = await running({ disk: true }, 'a');
      const order: string[] = [];
      void host.guest.called('removeContainer s').then(() => order.push('written out'));
      host.vm.beforeKill = async () => void order.push('killed');
      await sandbox.end('containerd wants it');
      assert.deepEqual(order.slice(0, 2), ['written out', 'killed']);
      assert.ok(!host.guest.calls.includes('removeContainer a'), 'it has none');
      assert.deepEqual(host.left(), []);
    },
  );

  test('comes all the same when the guest is silent', options, async () => {
    const sandbox = await running({ disk: true });
    host.guest.hold('removeContainer');
    await sandbox.end('containerd wants it');
    assert.deepEqual(host.events, ['exit s 137']);
    assert.deepEqual(host.left(), []);
  });

  test('asks no guest that is gone', options, async () => {
    const sandbox = await running({ disk: true });
    host.vm.end();
    await sandbox.find('s')!.init.exited;
    await sandbox.end('too late');
    assert.ok(!host.guest.calls.includes('removeContainer s'));
    assert.deepEqual(host.left(), []);
  });
});

test(
  'a VM that the host ends for want of memory: each container that runs has run out of it',
  options,
  async () => {
    const sandbox = await running({}, 'a', 'b');
    await exits(sandbox, 'b');
    host.events.length = 0;
    host.vm.end({ cause: 'host-out-of-memory', reason: 'the pod ran out of memory' });
    await sandbox.end('the test is over');
    assert.deepEqual(host.events.slice(0, 2), ['oom', 'oom'], 'before the exits');
    assert.deepEqual(host.events.slice(2).toSorted(), ['exit a 137', 'exit s 137']);
  },
);

describe('a container that cannot be made leaves nothing, and its id is free:', () => {
  const steps: Record<string, { expected: RegExp; break(): void; repair(): void }> = {
    'its number': {
      expected: /no thread/,
      break: () => host.vm.fails.set('addThread', new Error('no thread')),
      repair: () => host.vm.fails.clear(),
    },
    'its disk': {
      expected: /no place for a disk/,
      break: () => host.vm.fails.set('addDisk', new Error('no place for a disk')),
      repair: () => host.vm.fails.clear(),
    },
    'the guest': {
      expected: /no room in the guest/,
      break: () => host.guest.fails.set('createContainer a', new Error('no room in the guest')),
      repair: () => host.guest.fails.clear(),
    },
  };
  for (const [what, { expected, break: breakIt, repair }] of Object.entries(steps)) {
    test(what, options, async () => {
      const sandbox = await running({ disk: true });
      const [left, plugged] = [host.left(), [...host.vm.plugged]];
      breakIt();
      await assert.rejects(sandbox.create(host.containerOnDisk('a'), never), expected);
      assert.deepEqual(host.left(), left);
      assert.deepEqual([...host.vm.plugged], plugged);
      assert.equal(sandbox.find('a'), undefined);
      repair();
      await sandbox.create(host.containerOnDisk('a'), never);
      await sandbox.end('the test is over');
      assert.deepEqual(host.left(), []);
    });
  }

  test('whoever asked has gone', options, async () => {
    const sandbox = await running({});
    const left = host.left();
    const answer = host.guest.hold('createContainer a');
    const asked = new AbortController();
    const creating = sandbox.create(host.container('a'), asked.signal);
    creating.catch(() => undefined);
    await host.guest.called('createContainer a');
    asked.abort(new Error('the caller has hung up'));
    answer();
    await assert.rejects(creating, /the caller has hung up/);
    assert.ok(host.guest.calls.includes('removeContainer a'));
    assert.deepEqual(host.left(), left);
    assert.deepEqual(host.events, []);
    await sandbox.create(host.container('a'), never);
    await sandbox.end('the test is over');
  });
});

describe('a delete', () => {
  test(
    "of the sandbox's own container leaves the VM to the others, and the last takes it along",
    options,
    async () => {
      const sandbox = await running({}, 'a', 'b');
      await exits(sandbox, 's');
      await sandbox.delete(sandbox.find('s')!);
      await exits(sandbox, 'a');
      await sandbox.delete(sandbox.find('a')!);
      assert.ok(!sandbox.isGone);
      await exits(sandbox, 'b', 3);
      assert.equal((await sandbox.delete(sandbox.find('b')!)).status, 3);
      assert.ok(sandbox.isGone);
      assert.deepEqual(sandbox.containers, []);
      assert.deepEqual(host.left(), []);
    },
  );

  test('of the last other leaves the VM: the pod is not over before its own container', options, async () => {
    const sandbox = await running({}, 'a');
    const left = host.left();
    await exits(sandbox, 'a');
    await sandbox.delete(sandbox.find('a')!);
    assert.ok(!sandbox.isGone);
    assert.deepEqual([...host.vm.plugged], []);
    assert.deepEqual(
      host.left().filter((line) => !left.includes(line)),
      [],
    );
    await sandbox.create(host.container('a'), never);
    await sandbox.end('the test is over');
  });

  test('of a pod that is over takes the VM down although others were not deleted', options, async () => {
    const sandbox = await running({}, 'a');
    for (const id of ['a', 's']) await exits(sandbox, id);
    await sandbox.delete(sandbox.find('s')!);
    assert.deepEqual(host.left(), []);
    await sandbox.delete(sandbox.find('a')!);
    assert.deepEqual(host.events, ['exit a 0', 'exit s 0', 'delete', 'delete']);
  });

  test('that fails can be asked for again', options, async () => {
    const sandbox = await running({}, 'a');
    await exits(sandbox, 'a');
    // Something of a stranger in the place of the root: it is not removed with what is in it.
    const [root] = host.left().flatMap((line) => /^mount (.*\/a\/rootfs)$/.exec(line)?.[1] ?? []);
    const leave = host.occupy(root!);
    await assert.rejects(sandbox.delete(sandbox.find('a')!), /rootfs/);
    assert.ok(sandbox.find('a') !== undefined);
    leave();
    await sandbox.delete(sandbox.find('a')!);
    assert.equal(sandbox.find('a'), undefined);
    await sandbox.end('the test is over');
  });

  test('does not wait for a guest that is silent longer than a stop may take', options, async () => {
    const sandbox = await running({}, 'a');
    await exits(sandbox, 'a');
    host.guest.hold('removeContainer a');
    await sandbox.delete(sandbox.find('a')!);
    assert.ok(host.log.some((line) => line.startsWith('the guest could not remove a container')));
    await sandbox.end('the test is over');
    assert.deepEqual(host.left(), []);
  });
});

describe('a plain container', () => {
  /** Its exit is told when the VM is gone, its delete when all is. */
  async function exitsWithVm(sandbox: Sandbox, status: number): Promise<void> {
    await exits(sandbox, 's', status);
    assert.deepEqual(host.events, [`exit s ${status}`]);
    assert.ok(!host.vm.isRunning);
    assert.equal((await sandbox.delete(sandbox.find('s')!)).status, status);
    assert.deepEqual(host.left(), []);
  }

  test('takes the VM along when it exits', options, async () => {
    await exitsWithVm(await running({ pod: false }), 7);
    assert.ok(!host.guest.calls.includes('removeContainer s'), 'there is nothing to write out');
  });

  test('with a disk is removed in the guest before, which writes out what it wrote', options, async () => {
    const sandbox = await running({ pod: false, disk: true });
    const order: string[] = [];
    void host.guest.called('removeContainer s').then(() => order.push('written out'));
    host.vm.beforeKill = async () => void order.push('killed');
    await exitsWithVm(sandbox, 0);
    assert.deepEqual(order.slice(0, 2), ['written out', 'killed']);
  });

  test(
    'with a disk and a guest that writes nothing out ends all the same, with a warning',
    options,
    async () => {
      const sandbox = await running({ pod: false, disk: true });
      host.guest.hold('removeContainer');
      await exitsWithVm(sandbox, 1);
      assert.ok(host.log.some((line) => line.startsWith('what the container wrote last may be lost')));
    },
  );
});

test('a network that cannot be settled fails the start; the next start tries again', options, async () => {
  const sandbox = await Sandbox.boot(host.context, host.bootRequest(host.container('s')), never);
  await sandbox.create(host.container('a'), never);
  const { pid } = host.vm;
  host.vm.pid = 2 ** 22 + 1; // no process has it
  await assert.rejects(sandbox.find('s')!.start(''), /network namespace .* does not exist/);
  host.vm.pid = pid;
  await sandbox.find('a')!.start('');
  await sandbox.end('the test is over');
  assert.deepEqual(host.left(), []);
});

test(
  'a lack of memory is told, and noted in the bundle for CRI-O; of strangers nothing',
  options,
  async () => {
    const sandbox = await running({}, 'a');
    const watcher = watch(sandbox.find('a')!.bundle);
    host.guest.outOfMemory('stranger');
    host.guest.outOfMemory('a');
    assert.deepEqual(await once(watcher, 'change'), ['rename', 'oom']);
    watcher.close();
    assert.deepEqual(host.events, ['oom']);
    assert.deepEqual(readdirSync(sandbox.find('s')!.bundle), []);
    await sandbox.end('the test is over');
  },
);
