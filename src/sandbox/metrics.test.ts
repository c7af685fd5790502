import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { StatsContainerResponse } from '../gen/agent.ts';
import { Metrics as V1 } from '../gen/cgroups-v1.ts';
import { Metrics as V2 } from '../gen/cgroups-v2.ts';
import type { Init } from '../gen/wire.ts';
import { v1Metrics, v2Metrics } from './metrics.ts';

const max = 2n ** 64n - 1n;

const v1 = (stats: Init<StatsContainerResponse>) =>
  V1.decode(V1.encode(v1Metrics(StatsContainerResponse.create(stats))));
const v2 = (stats: Init<StatsContainerResponse>) =>
  V2.decode(V2.encode(v2Metrics(StatsContainerResponse.create(stats))));

/** What an agent on cgroup v2 reports. */
const sample: Init<StatsContainerResponse> = {
  cgroupStats: {
    cpuStats: {
      cpuUsage: { totalUsage: 9_000_000n, usageInKernelmode: 3_000_000n, usageInUsermode: 6_000_000n },
      throttlingData: { periods: 10n, throttledPeriods: 2n, throttledTime: 5_000n },
    },
    memoryStats: {
      cache: 300n,
      usage: { usage: 1000n, maxUsage: 2000n, failcnt: 4n, limit: max },
      swapUsage: { usage: 0n, limit: 50n },
      kernelUsage: { usage: 77n },
      stats: new Map([
        ['anon', 400n],
        ['file', 300n],
        ['inactive_file', 120n],
        ['pgfault', 11n],
        ['pgmajfault', 2n],
        ['oom_kill', 1n],
      ]),
    },
    pidsStats: { current: 5n, limit: 0n },
    blkioStats: {
      ioServiceBytesRecursive: [
        { major: 254n, minor: 0n, op: 'Read', value: 10n },
        { major: 254n, minor: 0n, op: 'Write', value: 20n },
        { major: 8n, minor: 0n, op: 'Discard', value: 30n },
      ],
      ioServicedRecursive: [{ major: 254n, minor: 0n, op: 'Read', value: 1n }],
    },
    hugetlbStats: new Map([['2MB', { usage: 1n, maxUsage: 2n, failcnt: 3n }]]),
  },
  networkStats: [{ name: 'eth0', rxBytes: 7n, txBytes: 8n }],
};

test('v1: the values that containerd reads', () => {
  const metrics = v1(sample);
  assert.equal(metrics.cpu?.usage?.total, 9_000_000n);
  assert.equal(metrics.cpu?.usage?.user, 6_000_000n);
  assert.equal(metrics.cpu?.throttling?.throttledPeriods, 2n);
  assert.equal(metrics.pids?.current, 5n);
  const { memory } = metrics;
  assert.equal(memory?.totalRss, 400n);
  assert.equal(memory?.totalInactiveFile, 120n);
  assert.equal(memory?.totalPgFault, 11n);
  assert.equal(memory?.totalPgMajFault, 2n);
  assert.deepEqual(memory?.usage, { usage: 1000n, max: 2000n, failcnt: 4n, limit: 2n ** 63n - 4096n });
  assert.equal(memory?.swap?.limit, 50n);
  assert.equal(memory?.kernel?.usage, 77n);
  assert.equal(memory?.cache, 300n);
  assert.equal(metrics.memoryOomControl?.oomKill, 1n);
  assert.deepEqual(metrics.hugetlb, [{ usage: 1n, max: 2n, failcnt: 3n, pagesize: '2MB' }]);
  assert.equal(metrics.blkio?.ioServiceBytesRecursive[0]?.device, '254:0');
  assert.equal(metrics.network[0]?.rxBytes, 7n);
});

test('v2: the values that containerd reads', () => {
  const metrics = v2(sample);
  assert.equal(metrics.cpu?.usageUsec, 9_000n);
  assert.equal(metrics.cpu?.userUsec, 6_000n);
  assert.equal(metrics.cpu?.systemUsec, 3_000n);
  assert.equal(metrics.cpu?.throttledUsec, 5n);
  assert.equal(metrics.memory?.usage, 1000n);
  assert.equal(metrics.memory?.usageLimit, max);
  assert.equal(metrics.memory?.anon, 400n);
  assert.equal(metrics.memory?.inactiveFile, 120n);
  assert.equal(metrics.memory?.swapLimit, 50n);
  assert.equal(metrics.memory?.maxUsage, 2000n);
  assert.equal(metrics.memoryEvents?.oomKill, 1n);
  assert.deepEqual(metrics.io?.usage, [
    { major: 254n, minor: 0n, rbytes: 10n, wbytes: 20n, rios: 1n, wios: 0n },
    { major: 8n, minor: 0n, rbytes: 0n, wbytes: 0n, rios: 0n, wios: 0n },
  ]);
});

test('every part is there, even when the guest reports nothing', () => {
  const first = v1({});
  for (const part of ['pids', 'cpu', 'memory', 'blkio', 'rdma', 'cgroupStats', 'memoryOomControl'] as const) {
    assert.notEqual(first[part], undefined, `v1 ${part}`);
  }
  assert.notEqual(first.cpu?.usage, undefined);
  assert.notEqual(first.cpu?.throttling, undefined);
  for (const part of ['usage', 'swap', 'kernel', 'kernelTcp'] as const)
    assert.notEqual(first.memory?.[part], undefined);
  const second = v2({});
  for (const part of ['pids', 'cpu', 'memory', 'rdma', 'io', 'memoryEvents'] as const) {
    assert.notEqual(second[part], undefined, `v2 ${part}`);
  }
});

test('a guest with cgroup v1 is understood, too', () => {
  const stats = new Map([
    ['total_rss', 5n],
    ['total_cache', 6n],
    ['total_inactive_file', 7n],
    ['hierarchical_memory_limit', 9n],
  ]);
  const guest = { cgroupStats: { memoryStats: { stats } } };
  assert.equal(v2(guest).memory?.anon, 5n);
  assert.equal(v2(guest).memory?.file, 6n);
  assert.equal(v2(guest).memory?.inactiveFile, 7n);
  assert.equal(v1(guest).memory?.hierarchicalMemoryLimit, 9n);
});

test('lists and names of the guest are bounded', () => {
  const networkStats = Array.from({ length: 5_000 }, (_, i) => ({ name: `eth${i}\n${'x'.repeat(500)}` }));
  const entries = Array.from({ length: 5_000 }, (_, i) => ({ major: BigInt(i), op: 'Read', value: 1n }));
  const guest = { networkStats, cgroupStats: { blkioStats: { ioServiceBytesRecursive: entries } } };
  const metrics = v1(guest);
  assert.equal(metrics.network.length, 256);
  assert.ok(metrics.network.every(({ name }) => name.length < 70 && !name.includes('\n')));
  assert.equal(metrics.blkio?.ioServiceBytesRecursive.length, 256);
  assert.equal(v2(guest).io?.usage.length, 256);
});

test('any numbers can be carried: sums wrap nowhere', () => {
  const u64 = fc.bigInt({ min: 0n, max });
  fc.assert(
    fc.property(u64, u64, (a, b) => {
      const ioServiceBytesRecursive = [a, b].map((value) => ({ op: 'Read', value }));
      const guest = { cgroupStats: { blkioStats: { ioServiceBytesRecursive } } };
      const sum = v2(guest).io?.usage[0]?.rbytes;
      assert.equal(sum, a + b > max ? max : a + b);
    }),
  );
});
