// A VM that grows with the limits of its containers, gives memory back, and says what it cannot do.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { readRecord } from '../../src/sandbox/state.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';
import { containerSpec } from '../support/spec.ts';

const skip = !runtime.isVm && 'runc has no VM to grow';
const MIB = 2 ** 20;

let fake: FakeContainerd;
let clean: Belongings;
before(async () => {
  fake = await FakeContainerd.start();
  const config = join(fake.dir, 'config.toml');
  writeFileSync(config, '[vm]\nmax_memory_mib = 1024\nmax_vcpus = 2\n');
  fake.env.BULKHEAD_CONFIG = config;
  clean = belongings(fake);
});
after(() => fake.stop());

async function start(name: string, memoryMib: number): Promise<Shim> {
  const id = `${fake.namespace}-${name}`;
  const spec = containerSpec(['sleep', '10000'], `/${fake.namespace}/${id}`);
  spec.linux.resources = { ...spec.linux.resources, memory: { limit: memoryMib * MIB } };
  const shim = await fake.shim(id, spec);
  await shim.run();
  return shim;
}

async function update(shim: Shim, resources: object): Promise<void> {
  const value = Buffer.from(JSON.stringify(resources));
  const typeUrl = 'types.containerd.io/opencontainers/runtime-spec/1/LinuxResources';
  await shim.task.update({ id: shim.id, resources: { typeUrl, value } }, { timeoutMs: 60_000 });
}

/** What a command prints in the container. */
async function sh(shim: Shim, script: string): Promise<string> {
  const { process } = containerSpec(['sh', '-c', script], '');
  const { execId, io } = await shim.exec(process);
  await shim.task.wait({ id: shim.id, execId }, { timeoutMs: 60_000 });
  await io.ended();
  await shim.task.delete({ id: shim.id, execId });
  return io.output.trim();
}

const totalMib = async (shim: Shim) =>
  Math.round(Number(await sh(shim, "awk '/MemTotal/ {print $2}' /proc/meminfo")) / 1024);

/** What the VM takes of the host. */
function takenMib(shim: Shim): number {
  const { processes } = readRecord(join(fake.bulkheadState, fake.namespace, shim.id))!;
  const qemu = processes.find(({ name }) => name === 'qemu')!;
  const status = readFileSync(`/proc/${qemu.pid}/status`, 'utf8');
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(status)![1]) / 1024);
}

test('memory and vCPUs beyond the VM, less again, and more than its ceiling', {
  skip,
  timeout: 180_000,
}, async (t) => {
  const shim = await start('grow', 128);
  const before = await totalMib(shim);
  assert.ok(before < 256, `${before} MiB at boot`);
  assert.equal(await sh(shim, 'nproc'), '1');
  const begin = performance.now();
  await update(shim, {
    memory: { limit: 600 * MIB, swap: 600 * MIB },
    cpu: { quota: 200_000, period: 100_000 },
  });
  t.diagnostic(`grown in ${Math.round(performance.now() - begin)} ms`);
  const grown = await totalMib(shim);
  assert.ok(grown - before >= 460, `${before} MiB, then ${grown}`);
  assert.equal(await sh(shim, 'nproc'), '2');
  assert.equal(await sh(shim, 'head -c 300m /dev/zero | tail | wc -c'), String(300 * MIB), 'it can be used');
  const { memoryMib, vcpus } = readRecord(join(fake.bulkheadState, fake.namespace, shim.id))!;
  assert.deepEqual([memoryMib, vcpus], [728, 2], 'as operators see it');

  await assert.rejects(
    update(shim, { memory: { limit: 2000 * MIB } }),
    /its ceiling is 1024 MiB; raise vm\.max_memory_mib/,
  );
  assert.equal(await totalMib(shim), grown, 'nothing has changed');
  assert.equal(await sh(shim, 'head -c 300m /dev/zero | tail | wc -c'), String(300 * MIB));

  await update(shim, { memory: { limit: 128 * MIB, swap: 128 * MIB } });
  await waitFor('memory that goes back', async () => (await totalMib(shim)) <= grown - 128, 60_000, 1_000);
  t.diagnostic(`${before} MiB at boot, ${grown} grown, ${await totalMib(shim)} after`);
  await update(shim, { memory: { limit: 600 * MIB, swap: 600 * MIB } });
  assert.ok((await totalMib(shim)) >= grown - 8, 'and comes again');
  await shim.remove();
  await assertNothingNew(fake, clean, [shim.id]);
});

test('what a program has freed goes back to the host', { skip, timeout: 180_000 }, async (t) => {
  const shim = await start('free', 600);
  const idle = takenMib(shim);
  assert.equal(await sh(shim, 'head -c 250m /dev/zero | tail | wc -c'), String(250 * MIB));
  const used = takenMib(shim);
  assert.ok(used >= idle + 200, `${idle} MiB idle, ${used} used`);
  await waitFor('memory that goes back', () => takenMib(shim) < idle + 80, 60_000, 500);
  t.diagnostic(`${idle} MiB idle, ${used} used, ${takenMib(shim)} after it was freed`);
  await shim.remove();
  await assertNothingNew(fake, clean, [shim.id]);
});
