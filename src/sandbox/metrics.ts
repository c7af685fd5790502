// Turns the agent's statistics into the metrics that containerd's clients read, in the terms of cgroup v1 and v2.
// Pure. Every sub-message is filled: clients read through them without asking whether they are there.

import { cleanText } from '../agent/agent-error.ts';
import type { BlkioStats, BlkioStatsEntry, MemoryData, StatsContainerResponse } from '../gen/agent.ts';
import type { BlkIOEntry, MemoryEntry, NetworkStat, Metrics as V1Metrics } from '../gen/cgroups-v1.ts';
import type { IOEntry, Metrics as V2Metrics } from '../gen/cgroups-v2.ts';
import type { Init } from '../gen/wire.ts';

/** How many list entries of one kind are passed on: more devices than this no guest of ours has. */
const maxEntries = 256;
const maxNameLength = 64;

/** "No limit" in cgroup v1: the largest multiple of a page. */
const v1NoLimit = 2n ** 63n - 4096n;
/** "No limit" in cgroup v2, as containerd's own reader writes it. */
const v2NoLimit = 2n ** 64n - 1n;

/** Values of memory.stat by name; a guest with cgroup v2 has other names than one with v1. */
type MemoryStats = (...names: readonly string[]) => bigint;

interface Parts {
  readonly stats: StatsContainerResponse;
  readonly memory: MemoryStats;
  readonly usage: MemoryData;
  readonly swap: MemoryData;
}

const noData: MemoryData = { usage: 0n, maxUsage: 0n, failcnt: 0n, limit: 0n };

function partsOf(stats: StatsContainerResponse): Parts {
  const memory = stats.cgroupStats?.memoryStats;
  const values = memory?.stats;
  return {
    stats,
    memory: (...names) => names.map((name) => values?.get(name)).find((value) => value !== undefined) ?? 0n,
    usage: memory?.usage ?? noData,
    swap: memory?.swapUsage ?? noData,
  };
}

/** Metrics in the terms of cgroup v1. */
export function v1Metrics(stats: StatsContainerResponse): Init<V1Metrics> {
  const parts = partsOf(stats);
  const { cpuStats, memoryStats, pidsStats, blkioStats } = stats.cgroupStats ?? {};
  const usage = cpuStats?.cpuUsage;
  const throttling = cpuStats?.throttlingData;
  return {
    hugetlb: hugetlbOf(stats).map(([pagesize, { usage, maxUsage, failcnt }]) => ({
      pagesize,
      usage,
      max: maxUsage,
      failcnt,
    })),
    pids: { current: pidsStats?.current, limit: limitOr(pidsStats?.limit, 0n) },
    cpu: {
      usage: {
        total: usage?.totalUsage,
        kernel: usage?.usageInKernelmode,
        user: usage?.usageInUsermode,
        perCpu: usage?.percpuUsage.slice(0, maxEntries),
      },
      throttling: {
        periods: throttling?.periods,
        throttledPeriods: throttling?.throttledPeriods,
        throttledTime: throttling?.throttledTime,
      },
    },
    memory: {
      ...v1MemoryValues(parts),
      usage: v1Entry(parts.usage),
      swap: v1Entry(parts.swap),
      kernel: v1Entry(memoryStats?.kernelUsage ?? noData),
      kernelTcp: v1Entry(noData),
    },
    blkio: v1Blkio(blkioStats),
    rdma: {},
    network: networkOf(stats),
    cgroupStats: {},
    memoryOomControl: { oomKill: parts.memory('oom_kill') },
  };
}

function v1Entry(data: MemoryData): Init<MemoryEntry> {
  return {
    usage: data.usage,
    max: data.maxUsage,
    failcnt: data.failcnt,
    limit: limitOr(data.limit, v1NoLimit),
  };
}

/** The fields that have a `total_` twin for the whole hierarchy: a container has no hierarchy below it to speak of. */
function v1MemoryValues({ memory, usage, swap, stats }: Parts): Init<V1Metrics['memory']> {
  const cache = memory('total_cache', 'cache', 'file') || (stats.cgroupStats?.memoryStats?.cache ?? 0n);
  const rss = memory('total_rss', 'rss', 'anon');
  const rssHuge = memory('total_rss_huge', 'rss_huge', 'anon_thp');
  const mappedFile = memory('total_mapped_file', 'mapped_file', 'file_mapped');
  const dirty = memory('total_dirty', 'dirty', 'file_dirty');
  const writeback = memory('total_writeback', 'writeback', 'file_writeback');
  const pgPgIn = memory('total_pgpgin', 'pgpgin');
  const pgPgOut = memory('total_pgpgout', 'pgpgout');
  const pgFault = memory('total_pgfault', 'pgfault');
  const pgMajFault = memory('total_pgmajfault', 'pgmajfault');
  const inactiveAnon = memory('total_inactive_anon', 'inactive_anon');
  const activeAnon = memory('total_active_anon', 'active_anon');
  const inactiveFile = memory('total_inactive_file', 'inactive_file');
  const activeFile = memory('total_active_file', 'active_file');
  const unevictable = memory('total_unevictable', 'unevictable');
  return {
    cache,
    rss,
    rssHuge,
    mappedFile,
    dirty,
    writeback,
    pgPgIn,
    pgPgOut,
    pgFault,
    pgMajFault,
    inactiveAnon,
    activeAnon,
    inactiveFile,
    activeFile,
    unevictable,
    hierarchicalMemoryLimit: memory('hierarchical_memory_limit') || limitOr(usage.limit, v1NoLimit),
    hierarchicalSwapLimit: memory('hierarchical_memsw_limit') || limitOr(swap.limit, v1NoLimit),
    totalCache: cache,
    totalRss: rss,
    totalRssHuge: rssHuge,
    totalMappedFile: mappedFile,
    totalDirty: dirty,
    totalWriteback: writeback,
    totalPgPgIn: pgPgIn,
    totalPgPgOut: pgPgOut,
    totalPgFault: pgFault,
    totalPgMajFault: pgMajFault,
    totalInactiveAnon: inactiveAnon,
    totalActiveAnon: activeAnon,
    totalInactiveFile: inactiveFile,
    totalActiveFile: activeFile,
    totalUnevictable: unevictable,
  };
}

function v1Blkio(stats: BlkioStats | undefined): Init<V1Metrics['blkio']> {
  const entries = (list: readonly BlkioStatsEntry[] | undefined): Init<BlkIOEntry>[] =>
    (list ?? []).slice(0, maxEntries).map(({ op, major, minor, value }) => ({
      op: cleanText(op, maxNameLength),
      device: `${major}:${minor}`,
      major,
      minor,
      value,
    }));
  return {
    ioServiceBytesRecursive: entries(stats?.ioServiceBytesRecursive),
    ioServicedRecursive: entries(stats?.ioServicedRecursive),
    ioQueuedRecursive: entries(stats?.ioQueuedRecursive),
    ioServiceTimeRecursive: entries(stats?.ioServiceTimeRecursive),
    ioWaitTimeRecursive: entries(stats?.ioWaitTimeRecursive),
    ioMergedRecursive: entries(stats?.ioMergedRecursive),
    ioTimeRecursive: entries(stats?.ioTimeRecursive),
    sectorsRecursive: entries(stats?.sectorsRecursive),
  };
}

/** Metrics in the terms of cgroup v2. */
export function v2Metrics(stats: StatsContainerResponse): Init<V2Metrics> {
  const parts = partsOf(stats);
  const { cpuStats, pidsStats, blkioStats } = stats.cgroupStats ?? {};
  const usage = cpuStats?.cpuUsage;
  const throttling = cpuStats?.throttlingData;
  return {
    pids: { current: pidsStats?.current, limit: limitOr(pidsStats?.limit, 0n) },
    cpu: {
      usageUsec: microseconds(usage?.totalUsage),
      userUsec: microseconds(usage?.usageInUsermode),
      systemUsec: microseconds(usage?.usageInKernelmode),
      nrPeriods: throttling?.periods,
      nrThrottled: throttling?.throttledPeriods,
      throttledUsec: microseconds(throttling?.throttledTime),
    },
    memory: v2Memory(parts),
    rdma: {},
    io: { usage: v2Io(blkioStats) },
    hugetlb: hugetlbOf(stats).map(([pagesize, { usage, maxUsage }]) => ({
      pagesize,
      current: usage,
      max: maxUsage,
    })),
    memoryEvents: {
      low: parts.memory('low'),
      high: parts.memory('high'),
      max: parts.memory('max') || parts.usage.failcnt,
      oom: parts.memory('oom'),
      oomKill: parts.memory('oom_kill'),
    },
    network: networkOf(stats),
  };
}

function v2Memory({ memory, usage, swap }: Parts): Init<V2Metrics['memory']> {
  return {
    anon: memory('anon', 'total_rss', 'rss'),
    file: memory('file', 'total_cache', 'cache'),
    kernelStack: memory('kernel_stack'),
    slab: memory('slab'),
    sock: memory('sock'),
    shmem: memory('shmem', 'total_shmem'),
    fileMapped: memory('file_mapped', 'total_mapped_file'),
    fileDirty: memory('file_dirty', 'total_dirty'),
    fileWriteback: memory('file_writeback', 'total_writeback'),
    anonThp: memory('anon_thp', 'total_rss_huge'),
    inactiveAnon: memory('inactive_anon', 'total_inactive_anon'),
    activeAnon: memory('active_anon', 'total_active_anon'),
    inactiveFile: memory('inactive_file', 'total_inactive_file'),
    activeFile: memory('active_file', 'total_active_file'),
    unevictable: memory('unevictable', 'total_unevictable'),
    slabReclaimable: memory('slab_reclaimable'),
    slabUnreclaimable: memory('slab_unreclaimable'),
    pgfault: memory('pgfault', 'total_pgfault'),
    pgmajfault: memory('pgmajfault', 'total_pgmajfault'),
    workingsetRefault: memory('workingset_refault', 'workingset_refault_file'),
    workingsetActivate: memory('workingset_activate', 'workingset_activate_file'),
    workingsetNodereclaim: memory('workingset_nodereclaim'),
    pgrefill: memory('pgrefill'),
    pgscan: memory('pgscan'),
    pgsteal: memory('pgsteal'),
    pgactivate: memory('pgactivate'),
    pgdeactivate: memory('pgdeactivate'),
    pglazyfree: memory('pglazyfree'),
    pglazyfreed: memory('pglazyfreed'),
    thpFaultAlloc: memory('thp_fault_alloc'),
    thpCollapseAlloc: memory('thp_collapse_alloc'),
    usage: usage.usage,
    usageLimit: limitOr(usage.limit, v2NoLimit),
    swapUsage: swap.usage,
    swapLimit: limitOr(swap.limit, v2NoLimit),
    maxUsage: usage.maxUsage,
    swapMaxUsage: swap.maxUsage,
  };
}

/** Joins the agent's entries per operation to one entry per device. */
function v2Io(stats: BlkioStats | undefined): Init<IOEntry>[] {
  const devices = new Map<
    string,
    { major: bigint; minor: bigint; rbytes: bigint; wbytes: bigint; rios: bigint; wios: bigint }
  >();
  const add = (
    list: readonly BlkioStatsEntry[] | undefined,
    read: 'rbytes' | 'rios',
    write: 'wbytes' | 'wios',
  ) => {
    for (const { major, minor, op, value } of (list ?? []).slice(0, maxEntries)) {
      const device = devices.get(`${major}:${minor}`) ?? {
        major,
        minor,
        rbytes: 0n,
        wbytes: 0n,
        rios: 0n,
        wios: 0n,
      };
      const name = op.toLowerCase();
      if (name === 'read' || name === read) device[read] = sum(device[read], value);
      else if (name === 'write' || name === write) device[write] = sum(device[write], value);
      devices.set(`${major}:${minor}`, device);
    }
  };
  add(stats?.ioServiceBytesRecursive, 'rbytes', 'wbytes');
  add(stats?.ioServicedRecursive, 'rios', 'wios');
  return [...devices.values()];
}

/** Counters of the guest may be anything; a sum stays a number that the wire can carry. */
function sum(a: bigint, b: bigint): bigint {
  return a + b > v2NoLimit ? v2NoLimit : a + b;
}

function hugetlbOf(stats: StatsContainerResponse) {
  const sizes = [...(stats.cgroupStats?.hugetlbStats ?? [])].slice(0, maxEntries);
  return sizes.map(([pagesize, values]) => [cleanText(pagesize, maxNameLength), values] as const);
}

function networkOf(stats: StatsContainerResponse): Init<NetworkStat>[] {
  return stats.networkStats
    .slice(0, maxEntries)
    .map((network) => ({ ...network, name: cleanText(network.name, maxNameLength) }));
}

/** Agents write "no limit" as 0 or as a number that no machine has. */
function limitOr(limit: bigint | undefined, noLimit: bigint): bigint {
  return limit === undefined || limit === 0n || limit >= v1NoLimit ? noLimit : limit;
}

function microseconds(nanoseconds: bigint | undefined): bigint {
  return (nanoseconds ?? 0n) / 1000n;
}
