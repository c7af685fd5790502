// Limits, statistics and what happens at the limit: numbers of the guest, updates, out of memory.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hasCgroupFile, writeCgroup } from '../../scripts/stand/cgroups.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { assertNothingNew } from '../support/leaks.ts';
import { usePodHost } from '../support/stands.ts';

const MIB = 1 << 20;

const { host, clean } = await usePodHost();
const pod = await host.pod(
  { linux: { resources: { memoryLimitInBytes: 512 * MIB, cpuQuota: 200_000, cpuPeriod: 100_000 } } },
  // All of its containers have limits: so has the pod's group, here with room for QEMU.
  (cgroup) => {
    writeCgroup(cgroup, String(1024 * MIB), 'memory.limit_in_bytes', 'memory.max');
    if (hasCgroupFile(cgroup, 'cpu.max')) writeCgroup(cgroup, '200000 100000', 'cpu.max');
    else writeCgroup(cgroup, '200000', 'cpu.cfs_quota_us');
  },
);

async function stats(containerId: string) {
  const { stats } = await host.cri.call('ContainerStats', { containerId });
  return { cpu: stats.cpu!.usageCoreNanoSeconds.value, memory: stats.memory!.workingSetBytes.value };
}

test('the VM has the size that the pod asks for', {
  skip: !runtime.isVm && 'it is about the VM',
}, async () => {
  const box = await pod.run();
  assert.equal(await box.sh('nproc'), '2\n');
  const kib = Number(await box.sh("grep MemTotal /proc/meminfo | sed 's/[^0-9]//g'"));
  assert.ok(kib > 512 * 1024 && kib < 700 * 1024, `${kib} KiB: the limit and the guest's own`);
  await box.stop();
  await box.remove();
});

test('a pod of which only one container has limits: the others may take more than that', {
  timeout: 120_000,
}, async () => {
  // What the kubelet tells of such a pod: the sum of what is limited, and a group without limits.
  const partly = await host.pod({
    linux: { resources: { memoryLimitInBytes: 50 * MIB, cpuQuota: 10_000, cpuPeriod: 100_000 } },
  });
  const sidecar = await partly.run({ resources: { memoryLimitInBytes: 50 * MIB } });
  const app = await partly.run({
    command: ['sh', '-c', 'dd if=/dev/zero of=/dev/null bs=300M count=1 2>&1; exec sleep 1000'],
  });
  await waitFor('300 MiB', () => app.output().includes('records out'), 60_000, 100);
  assert.match(app.output(), /^1\+0 records out$/m);
  assert.equal((await app.status()).state, 'CONTAINER_RUNNING');
  assert.equal(await sidecar.sh('echo alive'), 'alive\n');
  await partly.remove();
});

test('statistics are those of the container: memory and CPU that it uses', { timeout: 120_000 }, async () => {
  const idle = await pod.run();
  const busy = await pod.run({
    command: [
      'sh',
      '-c',
      'dd if=/dev/zero of=/dev/shm/block bs=1M count=40 2>/dev/null; while :; do :; done',
    ],
    resources: { memoryLimitInBytes: 100 * MIB },
  });
  const first = await waitFor(
    'memory',
    async () => {
      const now = await stats(busy.id);
      return now.memory > 40 * MIB && now;
    },
    30_000,
    300,
  );
  assert.ok(first.memory < 60 * MIB, `${first.memory} bytes`);
  const begin = performance.now();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  const second = await stats(busy.id);
  const share = (second.cpu - first.cpu) / 1e6 / (performance.now() - begin);
  assert.ok(share > 0.1 && share < 1.5, `a busy loop uses ${share} of a CPU`);
  const other = await stats(idle.id);
  assert.ok(other.memory > 0 && other.memory < 10 * MIB, `${other.memory} bytes of an idle container`);
  assert.ok(other.cpu < second.cpu / 2, `${other.cpu} ns of an idle container`);
  const { stats: listed } = await host.cri.call('ListContainerStats', { filter: { podSandboxId: pod.id } });
  assert.deepEqual(listed.map(({ attributes }) => attributes.id).sort(), [idle.id, busy.id].sort());
  const { stats: whole } = await host.cri.call('PodSandboxStats', { podSandboxId: pod.id });
  assert.ok((whole.linux.cpu?.usageCoreNanoSeconds.value ?? 0) > 0);
  assert.ok((whole.linux.memory?.workingSetBytes.value ?? 0) > 40 * MIB);
  for (const box of [idle, busy]) {
    await box.stop();
    await box.remove();
  }
});

test('UpdateContainerResources takes effect in the guest', async () => {
  const box = await pod.run({
    resources: { memoryLimitInBytes: 64 * MIB, cpuQuota: 50_000, cpuPeriod: 100_000 },
  });
  const read = async (): Promise<string[]> => {
    const v2 = 'cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/cpu.max';
    const v1 =
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/cpu/cpu.cfs_quota_us /sys/fs/cgroup/cpu/cpu.cfs_period_us';
    return (await box.sh(`${v2} 2>/dev/null || ${v1}`)).trim().split(/\s+/);
  };
  assert.deepEqual(await read(), [String(64 * MIB), '50000', '100000']);
  const linux = { memoryLimitInBytes: 96 * MIB, cpuQuota: 80_000, cpuPeriod: 100_000, cpuShares: 512 };
  await host.cri.call('UpdateContainerResources', { containerId: box.id, linux });
  assert.deepEqual(await read(), [String(96 * MIB), '80000', '100000']);
  await box.stop();
  await box.remove();
});

test('out of memory: OOMKilled with 137; the VM and its other containers live', {
  timeout: 120_000,
}, async () => {
  const neighbour = await pod.run();
  for (let round = 0; round < 2; round++) {
    const greedy = await pod.run({
      command: ['sh', '-c', 'dd if=/dev/zero of=/dev/shm/eat bs=1M count=60; tail /dev/zero'],
      resources: { memoryLimitInBytes: 32 * MIB },
    });
    const { exitCode, reason } = await greedy.exited(60_000);
    assert.deepEqual([exitCode, reason], [137, 'OOMKilled']);
    await greedy.remove();
  }
  assert.equal(await neighbour.sh('echo alive; rm -f /dev/shm/eat'), 'alive\n');
  assert.equal((await pod.status()).state, 'SANDBOX_READY');
});

test('a child that runs out of memory does not end the container', { timeout: 60_000 }, async () => {
  const box = await pod.run({
    command: ['sh', '-c', 'tail /dev/zero; echo code $?; exec sleep 1000'],
    resources: { memoryLimitInBytes: 32 * MIB },
  });
  await waitFor('end of the child', () => box.output().includes('code'), 40_000, 100);
  assert.match(box.output(), /code 137/);
  assert.equal((await box.status()).state, 'CONTAINER_RUNNING');
});

test('a limit of processes holds', async () => {
  const box = await pod.run();
  const result = await box.exec([
    'sh',
    '-c',
    'cat /sys/fs/cgroup/pids.max 2>/dev/null || cat /sys/fs/cgroup/pids/pids.max',
  ]);
  assert.equal(result.code, 0);
  assert.match(result.stdout, /^(max|\d+)\n$/);
});

test('nothing stays', async () => {
  await pod.remove();
  await assertNothingNew(host.daemon, clean, [pod.id]);
});
