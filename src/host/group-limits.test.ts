import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { test } from 'node:test';
import { makeCgroup, removeCgroups, writeCgroup } from '../../scripts/stand/cgroups.ts';
import { type GroupLimits, groupLimitsFrom, podGroupLimits } from './group-limits.ts';

const none: GroupLimits = { memoryBytes: undefined, cpus: undefined, reservedBytes: undefined };

const cases: readonly [name: string, files: Record<string, string>, expected: GroupLimits][] = [
  ['no files', {}, none],
  [
    'version 1, unlimited',
    {
      'memory.limit_in_bytes': '9223372036854771712\n',
      'cpu.cfs_quota_us': '-1\n',
      'cpu.cfs_period_us': '100000\n',
    },
    none,
  ],
  [
    'version 1',
    { 'memory.limit_in_bytes': '104857600\n', 'cpu.cfs_quota_us': '1000\n', 'cpu.cfs_period_us': '100000\n' },
    { ...none, memoryBytes: 104_857_600, cpus: 0.01 },
  ],
  ['version 2, unlimited', { 'memory.max': 'max\n', 'memory.min': '0\n', 'cpu.max': 'max 100000\n' }, none],
  [
    'version 2',
    { 'memory.max': '104857600\n', 'memory.min': '52428800\n', 'cpu.max': '150000 100000\n' },
    { memoryBytes: 104_857_600, cpus: 1.5, reservedBytes: 52_428_800 },
  ],
  ['what nobody writes', { 'memory.max': '', 'cpu.max': '', 'memory.min': 'x' }, none],
  ['a period of 0', { 'cpu.cfs_quota_us': '1000', 'cpu.cfs_period_us': '0' }, none],
];

for (const [name, files, expected] of cases) {
  test(`groupLimitsFrom: ${name}`, () =>
    assert.deepEqual(
      groupLimitsFrom((file) => files[file]),
      expected,
    ));
}

test('the group of a pod on this host, by the path of a container in it', (t) => {
  const pod = `/bulkhead-test-${randomUUID()}`;
  makeCgroup(pod);
  t.after(() => removeCgroups(pod.slice(1)));
  assert.deepEqual(podGroupLimits(`${pod}/container`), none);
  writeCgroup(pod, String(100 << 20), 'memory.limit_in_bytes', 'memory.max');
  assert.equal(podGroupLimits(`${pod}/container`).memoryBytes, 100 << 20);
});

test('a group that nobody made, or the top, limits nothing', () => {
  assert.deepEqual(podGroupLimits('/nobody/made/this'), none);
  assert.deepEqual(podGroupLimits('/container'), {});
  assert.deepEqual(podGroupLimits(''), {});
});
