import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering, playQmp, type QmpCommand } from '../testing/played-qmp.ts';
import { Resizer } from './resize.ts';

const MIB = 2 ** 20;
const limits = { vcpus: 1, memoryMib: 256, maxVcpus: 3, maxMemoryMib: 1024 };

/** A QEMU whose guest plugs all that it is asked for at once, unless `fails` says no to a command. */
function stand(fails: (command: QmpCommand) => boolean = () => false) {
  const cpus = ['/machine/0'];
  const slots = () =>
    [2, 1, 0].map((id) => ({
      type: 'cpu',
      props: { 'core-id': id },
      ...(cpus[id] && { 'qom-path': cpus[id] }),
    }));
  const qmp = playQmp(
    answering((command) => {
      if (fails(command)) throw new Error('no');
      const { execute, arguments: args = {} } = command;
      if (execute === 'query-hotpluggable-cpus') return slots();
      if (execute === 'device_add' && args.driver === 'cpu') cpus[args['core-id'] as number] = '/machine/new';
      if (execute === 'qom-set') plugged(args.value as number);
      return {};
    }),
  );
  const plugged = (bytes: number) =>
    setImmediate(() => {
      const data = { id: 'more-memory', size: bytes };
      qmp.say(`${JSON.stringify({ event: 'MEMORY_DEVICE_SIZE_CHANGE', data })}\n`);
    });
  const asked = () =>
    qmp.sent.filter(({ execute }) => execute === 'qom-set').map((one) => Number(one.arguments!.value) / MIB);
  return { qmp, asked, size: new Resizer(qmp.client, limits, true) };
}

test('memory: one device for all sizes, made when it is first needed', async () => {
  const { qmp, asked, size } = stand();
  assert.equal(await size.setMemory(200), 256, 'what it has booted with stays');
  assert.equal(qmp.sent.length, 0);
  assert.equal(await size.setMemory(401), 404);
  assert.equal(await size.setMemory(1024), 1024);
  assert.equal(await size.setMemory(256), 1024, 'what goes back is counted until it has gone');
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(size.memoryMib, 256);
  assert.deepEqual(asked(), [148, 768, 0]);
  assert.equal(qmp.sent.filter(({ execute }) => execute === 'device_add').length, 1);
  assert.deepEqual(qmp.sent[0]!.arguments!.size, 768 * MIB);
});

test('memory above the ceiling is refused before anything is asked', async () => {
  const { qmp, size } = stand();
  await assert.rejects(size.setMemory(1025), {
    stage: 'hot-plug',
    message: /ceiling is 1024 MiB; raise vm\.max_memory_mib/,
  });
  assert.equal(qmp.sent.length, 0);
});

test('a device that cannot be plugged in leaves no memory behind it, and can be tried again', async () => {
  let isFull = true;
  const { qmp, size } = stand(({ execute }) => execute === 'device_add' && isFull);
  await assert.rejects(size.setMemory(300), /the guest did not take memory: .*no/);
  assert.equal(qmp.sent.at(-1)!.execute, 'object-del');
  assert.equal(size.memoryMib, 256);
  isFull = false;
  assert.equal(await size.setMemory(300), 300);
});

test('vCPUs: the next free slots, up to the ceiling', async () => {
  const { qmp, size } = stand();
  assert.equal(await size.growVcpus(1), 1);
  assert.equal(await size.growVcpus(3), 3);
  const added = qmp.sent
    .filter(({ execute }) => execute === 'device_add')
    .map((one) => one.arguments!['core-id']);
  assert.deepEqual(added, [1, 2]);
  await assert.rejects(size.growVcpus(4), /ceiling is 3; raise vm\.max_vcpus/);
  assert.equal(size.vcpus, 3);
});
