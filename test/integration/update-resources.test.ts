// Update in a VM: all that a guest can enforce arrives there, and what it cannot is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runtime } from '../../scripts/stand/runtime.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { containerSpec, processSpec } from '../support/spec.ts';
import { useFakeContainerd } from '../support/stands.ts';

const id = 'update';
const typeUrl = 'types.containerd.io/opencontainers/runtime-spec/1/LinuxResources';

const { fake, clean } = await useFakeContainerd();
const spec = containerSpec(['sleep', '100000'], `/${fake.namespace}/${id}`);
spec.mounts.push({ destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: ['ro'] });
const shim = await fake.shim(id, spec);
await shim.run();

async function update(resources: object): Promise<void> {
  await shim.task.update({ id, resources: { typeUrl, value: Buffer.from(JSON.stringify(resources)) } });
}

/** Content of files of the container's control group. */
async function limits(...files: string[]): Promise<string> {
  const { execId, io } = await shim.exec(
    processSpec(['sh', '-c', `cd /sys/fs/cgroup && cat ${files.join(' ')}`]),
  );
  await shim.task.wait({ id, execId });
  await io.ended();
  await shim.task.delete({ id, execId });
  return io.output.split('\n').join(' ').trim();
}

test('burst, idle and unified values, which the protocol of the guest has no place for', {
  skip: !runtime.isVm && 'it is about the VM',
  timeout: 120_000,
}, async () => {
  const files = ['cpu.max', 'cpu.max.burst', 'cpu.idle', 'memory.high', 'pids.max'];
  const unified = { 'memory.high': '50331648', 'pids.max': '70', 'io.max': '8:0 rbps=1' };
  await update({
    cpu: { quota: 70_000, period: 100_000, burst: 5_000, cpus: '0' },
    unified,
    blockIO: { weight: 9 },
  });
  assert.equal(await limits(...files), '70000 100000 5000 0 50331648 70');
  await update({ cpu: { burst: 0, idle: 1 }, unified: { 'memory.high': 'max' } });
  assert.equal(await limits(...files), '70000 100000 0 1 max 70');
  const log = fake.log();
  assert.match(log, /left out of the update/);
  for (const word of ['blockIO', 'cpuset', 'io.max']) assert.ok(log.includes(word), word);
  await shim.task.kill({ id, signal: 9 });
  await shim.task.wait({ id });
  await shim.task.delete({ id });
  await shim.remove();
  await assertNothingNew(fake, clean, [id]);
});
