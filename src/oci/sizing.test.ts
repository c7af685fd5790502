import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limitsOf, type PodLimits, sizeFor, sizeVm } from './sizing.ts';
import type { Resources, Spec } from './spec.ts';

const config = { defaultVcpus: 1, defaultMemoryMib: 512, overheadVcpus: 1, overheadMemoryMib: 128 };
const mib = 1024 * 1024;
const cri = 'io.kubernetes.cri.sandbox-';

function size(
  resources: Resources,
  annotations: Record<string, string> = {},
  cpus?: number,
  pod?: PodLimits,
): string {
  const spec: Spec = { linux: { resources }, annotations };
  const { vcpus, memoryMib } = sizeVm(spec, config, { ...(cpus === undefined ? {} : { cpus }), pod });
  return `${vcpus} ${memoryMib}`;
}

/** A pod with these sums from the kubelet, in a group with these limits. */
function podSize(sums: Record<string, string>, pod: PodLimits, hostCpus?: number): string {
  const annotations = Object.fromEntries(Object.entries(sums).map(([key, value]) => [cri + key, value]));
  return size({ cpu: { shares: 2 } }, annotations, hostCpus, pod);
}

const cases: readonly [name: string, actual: () => string, expected: string][] = [
  ['no limits', () => size({}), '1 512'],
  ['no resources', () => size({ cpu: {}, memory: {} }), '1 512'],
  [
    'both limits',
    () => size({ cpu: { quota: 250_000, period: 100_000 }, memory: { limit: 256 * mib } }),
    '4 384',
  ],
  ['cpu limit only', () => size({ cpu: { quota: 50_000, period: 100_000 } }), '2 512'],
  ['whole cpus', () => size({ cpu: { quota: 200_000, period: 100_000 } }), '3 512'],
  ['no period', () => size({ cpu: { quota: 200_000 } }), '3 512'],
  ['quota -1', () => size({ cpu: { quota: -1, period: 100_000 } }), '1 512'],
  [
    'memory limit that is not a whole number of MiB',
    () => size({ memory: { limit: 256 * mib + 1 } }),
    '1 385',
  ],
  ['memory limit -1', () => size({ memory: { limit: -1 } }), '1 512'],
  ['memory limit of cgroup v1 for none', () => size({ memory: { limit: 9223372036854771712n } }), '1 512'],
  ['shares of the default', () => size({ cpu: { shares: 1024 } }), '1 512'],
  ['shares of the pause container', () => size({ cpu: { shares: 2 } }), '1 512'],
  ['shares of three cpus', () => size({ cpu: { shares: 3072 } }), '3 512'],
  ['capped at the host', () => size({ cpu: { quota: 6_400_000, period: 100_000 } }, {}, 2), '2 512'],
  [
    'pod limits win over the pause container',
    () =>
      size(
        { cpu: { shares: 2 } },
        { [`${cri}cpu-quota`]: '150000', [`${cri}cpu-period`]: '100000', [`${cri}memory`]: '1073741824' },
      ),
    '3 1152',
  ],
  [
    'pod without limits',
    () =>
      size(
        {},
        {
          [`${cri}cpu-quota`]: '0',
          [`${cri}cpu-period`]: '100000',
          [`${cri}cpu-shares`]: '2',
          [`${cri}memory`]: '0',
        },
      ),
    '1 512',
  ],
  [
    'pod annotations that are not numbers',
    () => size({}, { [`${cri}cpu-quota`]: 'lots', [`${cri}memory`]: '1e9' }),
    '1 512',
  ],
  [
    'CRI-O',
    () =>
      size(
        {},
        {
          'pod-linux-resources.crio.io':
            '{"cpu_period":100000,"cpu_quota":100000,"memory_limit_in_bytes":134217728}',
        },
      ),
    '2 256',
  ],
  [
    'older CRI-O',
    () => size({}, { 'io.kubernetes.cri-o.PodLinuxResources': '{"cpu_shares":2048}' }),
    '2 512',
  ],
  ['CRI-O with broken JSON', () => size({}, { 'pod-linux-resources.crio.io': '{' }), '1 512'],
  [
    'huge pages come on top',
    () =>
      size({
        hugepageLimits: [
          { pageSize: '2MB', limit: 64 * mib },
          { pageSize: '1GB', limit: 0 },
        ],
      }),
    '1 576',
  ],
  [
    'pod with a container without a memory limit: the default, because it may use more than the others',
    () => podSize({ memory: String(50 * mib) }, {}),
    '1 512',
  ],
  [
    'pod whose limits need more than the default, though not all containers have one',
    () => podSize({ memory: String(800 * mib) }, {}),
    '1 928',
  ],
  [
    'pod whose containers all have limits, in sum less than the default',
    () => podSize({ memory: String(50 * mib) }, { memoryBytes: 50 * mib }),
    '1 178',
  ],
  [
    'pod with a limit of its own, and none for its containers',
    () => podSize({ memory: '0' }, { memoryBytes: 256 * mib }),
    '1 256',
  ],
  ['pod with memory requests', () => podSize({ memory: '0' }, { reservedBytes: 2048 * mib }), '1 2176'],
  [
    'pod whose containers all have limits: requests do not count',
    () => podSize({ memory: String(100 * mib) }, { memoryBytes: 100 * mib, reservedBytes: 100 * mib }),
    '1 228',
  ],
  [
    'pod with a container without a CPU limit: requests count too',
    () =>
      podSize({ 'cpu-quota': '50000', 'cpu-period': '100000', 'cpu-shares': '3072' }, { memoryBytes: mib }),
    '3 1',
  ],
  [
    'pod whose containers all have CPU limits: requests do not count',
    () => podSize({ 'cpu-quota': '50000', 'cpu-period': '100000', 'cpu-shares': '9216' }, { cpus: 0.5 }),
    '2 512',
  ],
  ['pod with a CPU limit of its own', () => podSize({ 'cpu-shares': '2' }, { cpus: 2.5 }), '4 512'],
  [
    'pod with a container without a CPU limit, capped at the host',
    () => podSize({ 'cpu-quota': '900000', 'cpu-shares': '9216' }, {}, 2),
    '2 512',
  ],
];

for (const [name, actual, expected] of cases) {
  test(`sizeVm: ${name}`, () => assert.equal(actual(), expected));
}

test('sizeVm: the reasons say where the limit was', () => {
  const { reasons } = sizeVm({ annotations: { [`${cri}memory`]: '104857600' } }, config);
  assert.equal(reasons.length, 2);
  assert.match(reasons[1] ?? '', /limit 100 MiB in io\.kubernetes\.cri\.sandbox-/);
});

test('sizeVm: the reasons say that a container has no limit', () => {
  const spec = { annotations: { [`${cri}memory`]: String(50 * mib), [`${cri}cpu-quota`]: '10000' } };
  const { reasons } = sizeVm(spec, { ...config, overheadVcpus: 0 }, { pod: {} });
  for (const reason of reasons) assert.match(reason, /: the default, a container of the pod has no limit: /);
});

test('limits of running containers: changes count, unnamed ones stay, -1 removes a limit', () => {
  const first = limitsOf({ memory: { limit: 100 * 2 ** 20 }, cpu: { quota: 50_000, period: 100_000 } });
  assert.deepEqual(first, { cpus: 0.5, memoryBytes: 100 * 2 ** 20 });
  const more = limitsOf({ memory: { limit: 300 * 2 ** 20 } }, first);
  assert.deepEqual(more, { cpus: 0.5, memoryBytes: 300 * 2 ** 20 });
  assert.deepEqual(limitsOf({ memory: { limit: -1 }, cpu: { quota: -1 } }, more), {
    cpus: undefined,
    memoryBytes: undefined,
  });
  const host = { overheadVcpus: 0, overheadMemoryMib: 128, cpus: 4 };
  assert.deepEqual(sizeFor([more, limitsOf(undefined)], host), { vcpus: 1, memoryMib: 428 });
  const many = limitsOf({ cpu: { quota: 900_000, period: 100_000 } });
  assert.deepEqual(sizeFor([many, more], host), { vcpus: 4, memoryMib: 428 }, 'not more than the host has');
});
