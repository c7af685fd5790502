// Hot-plug with a fake QEMU; files are really passed, over a real socket.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, type TestContext, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { socketPair } from '../../host/testing/socket-pair.ts';
import type { HotPlug } from '../hypervisor.ts';
import { answering, type PlayedQmp, playQmp, type QmpCommand } from '../testing/played-qmp.ts';
import { createHotPlug } from './hot-plug.ts';

const dir = mkdtempSync(join(tmpdir(), 'bulkhead-hot-plug-'));
after(() => rmSync(dir, { recursive: true }));
const path = join(dir, 'disk');
writeFileSync(path, Buffer.alloc(4096));
const disk = { serial: 'one', path, readOnly: false };
const nic = { id: 'net2', tap: 'tap2', mac: '02:00:00:00:00:02' };

type Reply = (command: QmpCommand) => unknown;

interface Stand {
  readonly devices: HotPlug;
  readonly qmp: PlayedQmp;
  /** The names of the commands sent to QEMU since the last call. */
  asked(): string[];
}

/** A QEMU that accepts every command except those in `replies`. Devices are released on request. */
async function stand(t: TestContext, replies: Record<string, Reply> = {}): Promise<Stand> {
  let seen = 0;
  const answer = answering((command) => {
    const reply = replies[command.execute];
    if (reply !== undefined) return reply(command);
    if (command.execute === 'add-fd') return { 'fdset-id': 3, fd: 17 };
    if (command.execute === 'device_del') {
      const data = { device: command.arguments!.id };
      setImmediate(() => qmp.say(`${JSON.stringify({ event: 'DEVICE_DELETED', data })}\n`));
    }
    return {};
  });
  const qmp = playQmp(answer, await socketPair(t));
  const asked = () => {
    const names = qmp.sent.slice(seen).map(({ execute }) => execute);
    seen = qmp.sent.length;
    return names;
  };
  return { devices: createHotPlug(qmp.client, process.pid), qmp, asked };
}

const refuse = () => {
  throw new Error('no');
};
const refused = { stage: 'hot-plug', message: /: QMP .*: no$/ };

/** Refuses the first time. */
const once = (): Reply => {
  let count = 0;
  return () => (count++ === 0 ? refuse() : {});
};

describe('a disk', () => {
  test('is passed as a file, plugged in, and unplugged without a trace', async (t) => {
    const { devices, qmp, asked } = await stand(t);
    await devices.addDisk(disk);
    assert.deepEqual(asked(), ['add-fd', 'blockdev-add', 'device_add', 'remove-fd']);
    assert.match(JSON.stringify(qmp.sent[1]!.arguments), /"node-name":"node-one".*\/dev\/fdset\/3/);
    assert.ok(!JSON.stringify(qmp.sent[1]).includes(path), 'QEMU opens no path of the host');
    assert.deepEqual(qmp.sent[3]!.arguments, { 'fdset-id': 3 });
    await devices.removeDisk('one');
    assert.deepEqual(asked(), ['device_del', 'blockdev-del']);
    await devices.removeDisk('one');
    await devices.removeDisk('never there');
    assert.deepEqual(asked(), []);
  });

  const undone: Record<string, string[]> = {
    'add-fd': ['add-fd'],
    'blockdev-add': ['add-fd', 'blockdev-add', 'remove-fd'],
    device_add: ['add-fd', 'blockdev-add', 'device_add', 'blockdev-del', 'remove-fd'],
  };
  for (const [step, commands] of Object.entries(undone)) {
    test(`whose ${step} fails leaves nothing in QEMU, and can be added again`, async (t) => {
      const first = once();
      const reply: Reply = (command) => {
        const answer = first(command);
        return step === 'add-fd' ? { 'fdset-id': 4 } : answer;
      };
      const { devices, asked } = await stand(t, { [step]: reply });
      await assert.rejects(devices.addDisk(disk), refused);
      assert.deepEqual(asked(), commands);
      await devices.addDisk(disk);
      assert.deepEqual(asked(), ['add-fd', 'blockdev-add', 'device_add', 'remove-fd']);
    });
  }

  test('exists once, has a serial that a guest can read, and a file behind it', async (t) => {
    const { devices, asked } = await stand(t);
    await devices.addDisk(disk);
    asked();
    await assert.rejects(devices.addDisk(disk), /disk-one is there already/);
    await assert.rejects(devices.addDisk({ ...disk, serial: 'a b' }), /bad disk serial "a b"/);
    await assert.rejects(devices.addDisk({ ...disk, serial: 'x'.repeat(21) }), /bad disk serial/);
    await assert.rejects(devices.addDisk({ ...disk, serial: 'two', path: `${path}s` }), /does not exist/);
    await assert.rejects(devices.addDisk({ ...disk, serial: 'two', path: dir }), /EISDIR|neither a file/);
    assert.deepEqual(asked(), []);
    await devices.addDisk({ ...disk, serial: 'two' });
  });

  test('that the guest does not release stays, and can be removed later', async (t) => {
    const { devices, asked } = await stand(t, { device_del: once() });
    await devices.addDisk(disk);
    asked();
    await assert.rejects(devices.removeDisk('one'), { ...refused, message: /cannot remove disk-one/ });
    await assert.rejects(devices.addDisk(disk), /is there already/);
    assert.deepEqual(asked(), ['device_del']);
  });

  test('that a silent guest keeps is a timeout', async (t) => {
    const { devices, qmp } = await stand(t, { device_del: () => ({}) });
    await devices.addDisk(disk);
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const refusal = assert.rejects(devices.removeDisk('one'), /did not let go of it within 10000 ms/);
    await qmp.client.execute('the answers come in order');
    t.mock.timers.tick(10_000);
    await refusal;
  });

  test('that is already gone is fine', async (t) => {
    const { devices, asked } = await stand(t, {
      device_del: () => {
        throw Object.assign(new Error('no such device'), { name: 'DeviceNotFound' });
      },
    });
    await devices.addDisk(disk);
    asked();
    await devices.removeDisk('one');
    assert.deepEqual(asked(), ['device_del', 'blockdev-del']);
  });

  test('of a VM that ends meanwhile: the removal ends too', async (t) => {
    const { devices, qmp } = await stand(t, {
      device_del: () => {
        setImmediate(() => qmp.end());
        return {};
      },
    });
    await devices.addDisk(disk);
    await assert.rejects(devices.removeDisk('one'), /cannot remove disk-one: .*QEMU closed the channel/);
  });
});

describe('a NIC', () => {
  test('is added and removed with its backend', async (t) => {
    const { devices, asked } = await stand(t);
    await devices.addNic(nic);
    await devices.removeNic('net2');
    assert.deepEqual(asked(), ['netdev_add', 'device_add', 'device_del', 'netdev_del']);
  });

  test('that cannot be plugged in leaves no backend, and can be added again', async (t) => {
    const { devices, asked } = await stand(t, { device_add: once() });
    await assert.rejects(devices.addNic(nic), refused);
    assert.deepEqual(asked(), ['netdev_add', 'device_add', 'netdev_del']);
    await devices.addNic(nic);
  });
});

describe('the id of a thread', () => {
  /** QEMU, played by this process, reports these threads. */
  const naming = (numbers: Record<string, unknown>) => ({
    'query-iothreads': () => Object.entries(numbers).map(([id, number]) => ({ id, 'thread-id': number })),
  });
  const others = () =>
    readdirSync('/proc/self/task')
      .map(Number)
      .filter((one) => one !== process.pid);

  test('is that of a thread of QEMU, a different one for each container', async (t) => {
    const worker = new Worker('setInterval(() => {}, 1000)', { eval: true });
    t.after(() => worker.terminate());
    const [one, two] = others();
    const { devices, asked } = await stand(t, naming({ 'thread-a': one, 'thread-b': two }));
    assert.deepEqual([await devices.addThread('a'), await devices.addThread('b')], [one, two]);
    await devices.removeThread('a');
    await devices.removeThread('a');
    const names = ['object-add', 'query-iothreads'];
    assert.deepEqual(asked(), [...names, ...names, 'object-del']);
    assert.equal(await devices.addThread('a'), one, 'an id that is free again');
  });

  const [real] = others();
  const lies: Record<string, Record<string, Reply>> = {
    'its own, which is the first task': naming({ 'thread-b': process.pid }),
    'one that another container has': naming({ 'thread-a': real, 'thread-b': real }),
    'one of another process': naming({ 'thread-b': 1 }),
    'no number': naming({ 'thread-b': 'x' }),
    'nothing of it': naming({}),
    'nothing that is a list': { 'query-iothreads': () => ({ thread: 1 }) },
    'an error': { 'query-iothreads': refuse },
  };
  for (const [what, replies] of Object.entries(lies)) {
    test(`when QEMU reports ${what}: refused, and the thread is removed`, async (t) => {
      const { devices, asked } = await stand(t, replies);
      await devices.addThread('a').catch(() => undefined);
      asked();
      await assert.rejects(devices.addThread('b'), { stage: 'hot-plug', message: /cannot add thread-b/ });
      assert.deepEqual(asked(), ['object-add', 'query-iothreads', 'object-del']);
      await assert.rejects(devices.addThread('b'), /cannot add/, 'not: is there already');
    });
  }

  test('is not queried when the thread cannot be created', async (t) => {
    const { devices, asked } = await stand(t, { 'object-add': refuse });
    await assert.rejects(devices.addThread('a'), refused);
    assert.deepEqual(asked(), ['object-add']);
  });
});
