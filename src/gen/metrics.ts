// Generated from proto/cgroups_v1.proto, proto/cgroups_v2.proto by scripts/gen.ts; do not edit.
import { message, type Message } from './wire.ts';

export interface V1Metrics {
  hugetlb: V1HugetlbStat[];
  pids?: V1PidsStat | undefined;
  cpu?: V1CPUStat | undefined;
  memory?: V1MemoryStat | undefined;
  blkio?: V1BlkIOStat | undefined;
  rdma?: V1RdmaStat | undefined;
  network: V1NetworkStat[];
  cgroupStats?: V1CgroupStats | undefined;
  memoryOomControl?: V1MemoryOomControl | undefined;
}
export const V1Metrics: Message<V1Metrics> = message<V1Metrics>(
  (init) => ({
    hugetlb: (init.hugetlb ?? []).map(V1HugetlbStat.create),
    pids: init.pids && V1PidsStat.create(init.pids),
    cpu: init.cpu && V1CPUStat.create(init.cpu),
    memory: init.memory && V1MemoryStat.create(init.memory),
    blkio: init.blkio && V1BlkIOStat.create(init.blkio),
    rdma: init.rdma && V1RdmaStat.create(init.rdma),
    network: (init.network ?? []).map(V1NetworkStat.create),
    cgroupStats: init.cgroupStats && V1CgroupStats.create(init.cgroupStats),
    memoryOomControl: init.memoryOomControl && V1MemoryOomControl.create(init.memoryOomControl),
  }),
  (out, from) => {
    for (const value of from.hugetlb ?? []) out.message(10, V1HugetlbStat, value);
    if (from.pids) out.message(18, V1PidsStat, from.pids);
    if (from.cpu) out.message(26, V1CPUStat, from.cpu);
    if (from.memory) out.message(34, V1MemoryStat, from.memory);
    if (from.blkio) out.message(42, V1BlkIOStat, from.blkio);
    if (from.rdma) out.message(50, V1RdmaStat, from.rdma);
    for (const value of from.network ?? []) out.message(58, V1NetworkStat, value);
    if (from.cgroupStats) out.message(66, V1CgroupStats, from.cgroupStats);
    if (from.memoryOomControl) out.message(74, V1MemoryOomControl, from.memoryOomControl);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.hugetlb.push(input.message(V1HugetlbStat));
        return true;
      case 18:
        into.pids = input.message(V1PidsStat, into.pids);
        return true;
      case 26:
        into.cpu = input.message(V1CPUStat, into.cpu);
        return true;
      case 34:
        into.memory = input.message(V1MemoryStat, into.memory);
        return true;
      case 42:
        into.blkio = input.message(V1BlkIOStat, into.blkio);
        return true;
      case 50:
        into.rdma = input.message(V1RdmaStat, into.rdma);
        return true;
      case 58:
        input.count();
        into.network.push(input.message(V1NetworkStat));
        return true;
      case 66:
        into.cgroupStats = input.message(V1CgroupStats, into.cgroupStats);
        return true;
      case 74:
        into.memoryOomControl = input.message(V1MemoryOomControl, into.memoryOomControl);
        return true;
      default:
        return false;
    }
  },
);

export interface V1HugetlbStat {
  usage: bigint;
  max: bigint;
  failcnt: bigint;
  pagesize: string;
}
export const V1HugetlbStat: Message<V1HugetlbStat> = message<V1HugetlbStat>(
  (init) => ({
    usage: init.usage ?? 0n,
    max: init.max ?? 0n,
    failcnt: init.failcnt ?? 0n,
    pagesize: init.pagesize ?? '',
  }),
  (out, from) => {
    if (from.usage) out.tag(8).u64(from.usage);
    if (from.max) out.tag(16).u64(from.max);
    if (from.failcnt) out.tag(24).u64(from.failcnt);
    if (from.pagesize) out.tag(34).string(from.pagesize);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.usage = input.u64();
        return true;
      case 16:
        into.max = input.u64();
        return true;
      case 24:
        into.failcnt = input.u64();
        return true;
      case 34:
        into.pagesize = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface V1PidsStat {
  current: bigint;
  limit: bigint;
}
export const V1PidsStat: Message<V1PidsStat> = message<V1PidsStat>(
  (init) => ({
    current: init.current ?? 0n,
    limit: init.limit ?? 0n,
  }),
  (out, from) => {
    if (from.current) out.tag(8).u64(from.current);
    if (from.limit) out.tag(16).u64(from.limit);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.current = input.u64();
        return true;
      case 16:
        into.limit = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V1CPUStat {
  usage?: V1CPUUsage | undefined;
  throttling?: V1Throttle | undefined;
}
export const V1CPUStat: Message<V1CPUStat> = message<V1CPUStat>(
  (init) => ({
    usage: init.usage && V1CPUUsage.create(init.usage),
    throttling: init.throttling && V1Throttle.create(init.throttling),
  }),
  (out, from) => {
    if (from.usage) out.message(10, V1CPUUsage, from.usage);
    if (from.throttling) out.message(18, V1Throttle, from.throttling);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.usage = input.message(V1CPUUsage, into.usage);
        return true;
      case 18:
        into.throttling = input.message(V1Throttle, into.throttling);
        return true;
      default:
        return false;
    }
  },
);

/** All in nanoseconds. */
export interface V1CPUUsage {
  total: bigint;
  kernel: bigint;
  user: bigint;
  perCpu: bigint[];
}
export const V1CPUUsage: Message<V1CPUUsage> = message<V1CPUUsage>(
  (init) => ({
    total: init.total ?? 0n,
    kernel: init.kernel ?? 0n,
    user: init.user ?? 0n,
    perCpu: [...(init.perCpu ?? [])],
  }),
  (out, from) => {
    if (from.total) out.tag(8).u64(from.total);
    if (from.kernel) out.tag(16).u64(from.kernel);
    if (from.user) out.tag(24).u64(from.user);
    if (from.perCpu?.length) {
      out.tag(34).fork();
      for (const value of from.perCpu) out.u64(value);
      out.ldelim();
    }
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.total = input.u64();
        return true;
      case 16:
        into.kernel = input.u64();
        return true;
      case 24:
        into.user = input.u64();
        return true;
      case 32:
        input.count();
        into.perCpu.push(input.u64());
        return true;
      case 34:
        input.packed(into.perCpu, () => input.u64());
        return true;
      default:
        return false;
    }
  },
);

export interface V1Throttle {
  periods: bigint;
  throttledPeriods: bigint;
  throttledTime: bigint;
}
export const V1Throttle: Message<V1Throttle> = message<V1Throttle>(
  (init) => ({
    periods: init.periods ?? 0n,
    throttledPeriods: init.throttledPeriods ?? 0n,
    throttledTime: init.throttledTime ?? 0n,
  }),
  (out, from) => {
    if (from.periods) out.tag(8).u64(from.periods);
    if (from.throttledPeriods) out.tag(16).u64(from.throttledPeriods);
    if (from.throttledTime) out.tag(24).u64(from.throttledTime);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.periods = input.u64();
        return true;
      case 16:
        into.throttledPeriods = input.u64();
        return true;
      case 24:
        into.throttledTime = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V1MemoryStat {
  cache: bigint;
  rss: bigint;
  rssHuge: bigint;
  mappedFile: bigint;
  dirty: bigint;
  writeback: bigint;
  pgPgIn: bigint;
  pgPgOut: bigint;
  pgFault: bigint;
  pgMajFault: bigint;
  inactiveAnon: bigint;
  activeAnon: bigint;
  inactiveFile: bigint;
  activeFile: bigint;
  unevictable: bigint;
  hierarchicalMemoryLimit: bigint;
  hierarchicalSwapLimit: bigint;
  totalCache: bigint;
  totalRss: bigint;
  totalRssHuge: bigint;
  totalMappedFile: bigint;
  totalDirty: bigint;
  totalWriteback: bigint;
  totalPgPgIn: bigint;
  totalPgPgOut: bigint;
  totalPgFault: bigint;
  totalPgMajFault: bigint;
  totalInactiveAnon: bigint;
  totalActiveAnon: bigint;
  totalInactiveFile: bigint;
  totalActiveFile: bigint;
  totalUnevictable: bigint;
  usage?: V1MemoryEntry | undefined;
  swap?: V1MemoryEntry | undefined;
  kernel?: V1MemoryEntry | undefined;
  kernelTcp?: V1MemoryEntry | undefined;
}
export const V1MemoryStat: Message<V1MemoryStat> = message<V1MemoryStat>(
  (init) => ({
    cache: init.cache ?? 0n,
    rss: init.rss ?? 0n,
    rssHuge: init.rssHuge ?? 0n,
    mappedFile: init.mappedFile ?? 0n,
    dirty: init.dirty ?? 0n,
    writeback: init.writeback ?? 0n,
    pgPgIn: init.pgPgIn ?? 0n,
    pgPgOut: init.pgPgOut ?? 0n,
    pgFault: init.pgFault ?? 0n,
    pgMajFault: init.pgMajFault ?? 0n,
    inactiveAnon: init.inactiveAnon ?? 0n,
    activeAnon: init.activeAnon ?? 0n,
    inactiveFile: init.inactiveFile ?? 0n,
    activeFile: init.activeFile ?? 0n,
    unevictable: init.unevictable ?? 0n,
    hierarchicalMemoryLimit: init.hierarchicalMemoryLimit ?? 0n,
    hierarchicalSwapLimit: init.hierarchicalSwapLimit ?? 0n,
    totalCache: init.totalCache ?? 0n,
    totalRss: init.totalRss ?? 0n,
    totalRssHuge: init.totalRssHuge ?? 0n,
    totalMappedFile: init.totalMappedFile ?? 0n,
    totalDirty: init.totalDirty ?? 0n,
    totalWriteback: init.totalWriteback ?? 0n,
    totalPgPgIn: init.totalPgPgIn ?? 0n,
    totalPgPgOut: init.totalPgPgOut ?? 0n,
    totalPgFault: init.totalPgFault ?? 0n,
    totalPgMajFault: init.totalPgMajFault ?? 0n,
    totalInactiveAnon: init.totalInactiveAnon ?? 0n,
    totalActiveAnon: init.totalActiveAnon ?? 0n,
    totalInactiveFile: init.totalInactiveFile ?? 0n,
    totalActiveFile: init.totalActiveFile ?? 0n,
    totalUnevictable: init.totalUnevictable ?? 0n,
    usage: init.usage && V1MemoryEntry.create(init.usage),
    swap: init.swap && V1MemoryEntry.create(init.swap),
    kernel: init.kernel && V1MemoryEntry.create(init.kernel),
    kernelTcp: init.kernelTcp && V1MemoryEntry.create(init.kernelTcp),
  }),
  (out, from) => {
    if (from.cache) out.tag(8).u64(from.cache);
    if (from.rss) out.tag(16).u64(from.rss);
    if (from.rssHuge) out.tag(24).u64(from.rssHuge);
    if (from.mappedFile) out.tag(32).u64(from.mappedFile);
    if (from.dirty) out.tag(40).u64(from.dirty);
    if (from.writeback) out.tag(48).u64(from.writeback);
    if (from.pgPgIn) out.tag(56).u64(from.pgPgIn);
    if (from.pgPgOut) out.tag(64).u64(from.pgPgOut);
    if (from.pgFault) out.tag(72).u64(from.pgFault);
    if (from.pgMajFault) out.tag(80).u64(from.pgMajFault);
    if (from.inactiveAnon) out.tag(88).u64(from.inactiveAnon);
    if (from.activeAnon) out.tag(96).u64(from.activeAnon);
    if (from.inactiveFile) out.tag(104).u64(from.inactiveFile);
    if (from.activeFile) out.tag(112).u64(from.activeFile);
    if (from.unevictable) out.tag(120).u64(from.unevictable);
    if (from.hierarchicalMemoryLimit) out.tag(128).u64(from.hierarchicalMemoryLimit);
    if (from.hierarchicalSwapLimit) out.tag(136).u64(from.hierarchicalSwapLimit);
    if (from.totalCache) out.tag(144).u64(from.totalCache);
    if (from.totalRss) out.tag(152).u64(from.totalRss);
    if (from.totalRssHuge) out.tag(160).u64(from.totalRssHuge);
    if (from.totalMappedFile) out.tag(168).u64(from.totalMappedFile);
    if (from.totalDirty) out.tag(176).u64(from.totalDirty);
    if (from.totalWriteback) out.tag(184).u64(from.totalWriteback);
    if (from.totalPgPgIn) out.tag(192).u64(from.totalPgPgIn);
    if (from.totalPgPgOut) out.tag(200).u64(from.totalPgPgOut);
    if (from.totalPgFault) out.tag(208).u64(from.totalPgFault);
    if (from.totalPgMajFault) out.tag(216).u64(from.totalPgMajFault);
    if (from.totalInactiveAnon) out.tag(224).u64(from.totalInactiveAnon);
    if (from.totalActiveAnon) out.tag(232).u64(from.totalActiveAnon);
    if (from.totalInactiveFile) out.tag(240).u64(from.totalInactiveFile);
    if (from.totalActiveFile) out.tag(248).u64(from.totalActiveFile);
    if (from.totalUnevictable) out.tag(256).u64(from.totalUnevictable);
    if (from.usage) out.message(266, V1MemoryEntry, from.usage);
    if (from.swap) out.message(274, V1MemoryEntry, from.swap);
    if (from.kernel) out.message(282, V1MemoryEntry, from.kernel);
    if (from.kernelTcp) out.message(290, V1MemoryEntry, from.kernelTcp);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.cache = input.u64();
        return true;
      case 16:
        into.rss = input.u64();
        return true;
      case 24:
        into.rssHuge = input.u64();
        return true;
      case 32:
        into.mappedFile = input.u64();
        return true;
      case 40:
        into.dirty = input.u64();
        return true;
      case 48:
        into.writeback = input.u64();
        return true;
      case 56:
        into.pgPgIn = input.u64();
        return true;
      case 64:
        into.pgPgOut = input.u64();
        return true;
      case 72:
        into.pgFault = input.u64();
        return true;
      case 80:
        into.pgMajFault = input.u64();
        return true;
      case 88:
        into.inactiveAnon = input.u64();
        return true;
      case 96:
        into.activeAnon = input.u64();
        return true;
      case 104:
        into.inactiveFile = input.u64();
        return true;
      case 112:
        into.activeFile = input.u64();
        return true;
      case 120:
        into.unevictable = input.u64();
        return true;
      case 128:
        into.hierarchicalMemoryLimit = input.u64();
        return true;
      case 136:
        into.hierarchicalSwapLimit = input.u64();
        return true;
      case 144:
        into.totalCache = input.u64();
        return true;
      case 152:
        into.totalRss = input.u64();
        return true;
      case 160:
        into.totalRssHuge = input.u64();
        return true;
      case 168:
        into.totalMappedFile = input.u64();
        return true;
      case 176:
        into.totalDirty = input.u64();
        return true;
      case 184:
        into.totalWriteback = input.u64();
        return true;
      case 192:
        into.totalPgPgIn = input.u64();
        return true;
      case 200:
        into.totalPgPgOut = input.u64();
        return true;
      case 208:
        into.totalPgFault = input.u64();
        return true;
      case 216:
        into.totalPgMajFault = input.u64();
        return true;
      case 224:
        into.totalInactiveAnon = input.u64();
        return true;
      case 232:
        into.totalActiveAnon = input.u64();
        return true;
      case 240:
        into.totalInactiveFile = input.u64();
        return true;
      case 248:
        into.totalActiveFile = input.u64();
        return true;
      case 256:
        into.totalUnevictable = input.u64();
        return true;
      case 266:
        into.usage = input.message(V1MemoryEntry, into.usage);
        return true;
      case 274:
        into.swap = input.message(V1MemoryEntry, into.swap);
        return true;
      case 282:
        into.kernel = input.message(V1MemoryEntry, into.kernel);
        return true;
      case 290:
        into.kernelTcp = input.message(V1MemoryEntry, into.kernelTcp);
        return true;
      default:
        return false;
    }
  },
);

export interface V1MemoryEntry {
  limit: bigint;
  usage: bigint;
  max: bigint;
  failcnt: bigint;
}
export const V1MemoryEntry: Message<V1MemoryEntry> = message<V1MemoryEntry>(
  (init) => ({
    limit: init.limit ?? 0n,
    usage: init.usage ?? 0n,
    max: init.max ?? 0n,
    failcnt: init.failcnt ?? 0n,
  }),
  (out, from) => {
    if (from.limit) out.tag(8).u64(from.limit);
    if (from.usage) out.tag(16).u64(from.usage);
    if (from.max) out.tag(24).u64(from.max);
    if (from.failcnt) out.tag(32).u64(from.failcnt);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.limit = input.u64();
        return true;
      case 16:
        into.usage = input.u64();
        return true;
      case 24:
        into.max = input.u64();
        return true;
      case 32:
        into.failcnt = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V1MemoryOomControl {
  oomKillDisable: bigint;
  underOom: bigint;
  oomKill: bigint;
}
export const V1MemoryOomControl: Message<V1MemoryOomControl> = message<V1MemoryOomControl>(
  (init) => ({
    oomKillDisable: init.oomKillDisable ?? 0n,
    underOom: init.underOom ?? 0n,
    oomKill: init.oomKill ?? 0n,
  }),
  (out, from) => {
    if (from.oomKillDisable) out.tag(8).u64(from.oomKillDisable);
    if (from.underOom) out.tag(16).u64(from.underOom);
    if (from.oomKill) out.tag(24).u64(from.oomKill);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.oomKillDisable = input.u64();
        return true;
      case 16:
        into.underOom = input.u64();
        return true;
      case 24:
        into.oomKill = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V1BlkIOStat {
  ioServiceBytesRecursive: V1BlkIOEntry[];
  ioServicedRecursive: V1BlkIOEntry[];
  ioQueuedRecursive: V1BlkIOEntry[];
  ioServiceTimeRecursive: V1BlkIOEntry[];
  ioWaitTimeRecursive: V1BlkIOEntry[];
  ioMergedRecursive: V1BlkIOEntry[];
  ioTimeRecursive: V1BlkIOEntry[];
  sectorsRecursive: V1BlkIOEntry[];
}
export const V1BlkIOStat: Message<V1BlkIOStat> = message<V1BlkIOStat>(
  (init) => ({
    ioServiceBytesRecursive: (init.ioServiceBytesRecursive ?? []).map(V1BlkIOEntry.create),
    ioServicedRecursive: (init.ioServicedRecursive ?? []).map(V1BlkIOEntry.create),
    ioQueuedRecursive: (init.ioQueuedRecursive ?? []).map(V1BlkIOEntry.create),
    ioServiceTimeRecursive: (init.ioServiceTimeRecursive ?? []).map(V1BlkIOEntry.create),
    ioWaitTimeRecursive: (init.ioWaitTimeRecursive ?? []).map(V1BlkIOEntry.create),
    ioMergedRecursive: (init.ioMergedRecursive ?? []).map(V1BlkIOEntry.create),
    ioTimeRecursive: (init.ioTimeRecursive ?? []).map(V1BlkIOEntry.create),
    sectorsRecursive: (init.sectorsRecursive ?? []).map(V1BlkIOEntry.create),
  }),
  (out, from) => {
    for (const value of from.ioServiceBytesRecursive ?? []) out.message(10, V1BlkIOEntry, value);
    for (const value of from.ioServicedRecursive ?? []) out.message(18, V1BlkIOEntry, value);
    for (const value of from.ioQueuedRecursive ?? []) out.message(26, V1BlkIOEntry, value);
    for (const value of from.ioServiceTimeRecursive ?? []) out.message(34, V1BlkIOEntry, value);
    for (const value of from.ioWaitTimeRecursive ?? []) out.message(42, V1BlkIOEntry, value);
    for (const value of from.ioMergedRecursive ?? []) out.message(50, V1BlkIOEntry, value);
    for (const value of from.ioTimeRecursive ?? []) out.message(58, V1BlkIOEntry, value);
    for (const value of from.sectorsRecursive ?? []) out.message(66, V1BlkIOEntry, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.ioServiceBytesRecursive.push(input.message(V1BlkIOEntry));
        return true;
      case 18:
        input.count();
        into.ioServicedRecursive.push(input.message(V1BlkIOEntry));
        return true;
      case 26:
        input.count();
        into.ioQueuedRecursive.push(input.message(V1BlkIOEntry));
        return true;
      case 34:
        input.count();
        into.ioServiceTimeRecursive.push(input.message(V1BlkIOEntry));
        return true;
      case 42:
        input.count();
        into.ioWaitTimeRecursive.push(input.message(V1BlkIOEntry));
        return true;
      case 50:
        input.count();
        into.ioMergedRecursive.push(input.message(V1BlkIOEntry));
        return true;
      case 58:
        input.count();
        into.ioTimeRecursive.push(input.message(V1BlkIOEntry));
        return true;
      case 66:
        input.count();
        into.sectorsRecursive.push(input.message(V1BlkIOEntry));
        return true;
      default:
        return false;
    }
  },
);

export interface V1BlkIOEntry {
  op: string;
  device: string;
  major: bigint;
  minor: bigint;
  value: bigint;
}
export const V1BlkIOEntry: Message<V1BlkIOEntry> = message<V1BlkIOEntry>(
  (init) => ({
    op: init.op ?? '',
    device: init.device ?? '',
    major: init.major ?? 0n,
    minor: init.minor ?? 0n,
    value: init.value ?? 0n,
  }),
  (out, from) => {
    if (from.op) out.tag(10).string(from.op);
    if (from.device) out.tag(18).string(from.device);
    if (from.major) out.tag(24).u64(from.major);
    if (from.minor) out.tag(32).u64(from.minor);
    if (from.value) out.tag(40).u64(from.value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.op = input.string();
        return true;
      case 18:
        into.device = input.string();
        return true;
      case 24:
        into.major = input.u64();
        return true;
      case 32:
        into.minor = input.u64();
        return true;
      case 40:
        into.value = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V1RdmaStat {
  current: V1RdmaEntry[];
  limit: V1RdmaEntry[];
}
export const V1RdmaStat: Message<V1RdmaStat> = message<V1RdmaStat>(
  (init) => ({
    current: (init.current ?? []).map(V1RdmaEntry.create),
    limit: (init.limit ?? []).map(V1RdmaEntry.create),
  }),
  (out, from) => {
    for (const value of from.current ?? []) out.message(10, V1RdmaEntry, value);
    for (const value of from.limit ?? []) out.message(18, V1RdmaEntry, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.current.push(input.message(V1RdmaEntry));
        return true;
      case 18:
        input.count();
        into.limit.push(input.message(V1RdmaEntry));
        return true;
      default:
        return false;
    }
  },
);

export interface V1RdmaEntry {
  device: string;
  hcaHandles: number;
  hcaObjects: number;
}
export const V1RdmaEntry: Message<V1RdmaEntry> = message<V1RdmaEntry>(
  (init) => ({
    device: init.device ?? '',
    hcaHandles: init.hcaHandles ?? 0,
    hcaObjects: init.hcaObjects ?? 0,
  }),
  (out, from) => {
    if (from.device) out.tag(10).string(from.device);
    if (from.hcaHandles) out.tag(16).uint32(from.hcaHandles);
    if (from.hcaObjects) out.tag(24).uint32(from.hcaObjects);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.device = input.string();
        return true;
      case 16:
        into.hcaHandles = input.uint32();
        return true;
      case 24:
        into.hcaObjects = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface V1NetworkStat {
  name: string;
  rxBytes: bigint;
  rxPackets: bigint;
  rxErrors: bigint;
  rxDropped: bigint;
  txBytes: bigint;
  txPackets: bigint;
  txErrors: bigint;
  txDropped: bigint;
}
export const V1NetworkStat: Message<V1NetworkStat> = message<V1NetworkStat>(
  (init) => ({
    name: init.name ?? '',
    rxBytes: init.rxBytes ?? 0n,
    rxPackets: init.rxPackets ?? 0n,
    rxErrors: init.rxErrors ?? 0n,
    rxDropped: init.rxDropped ?? 0n,
    txBytes: init.txBytes ?? 0n,
    txPackets: init.txPackets ?? 0n,
    txErrors: init.txErrors ?? 0n,
    txDropped: init.txDropped ?? 0n,
  }),
  (out, from) => {
    if (from.name) out.tag(10).string(from.name);
    if (from.rxBytes) out.tag(16).u64(from.rxBytes);
    if (from.rxPackets) out.tag(24).u64(from.rxPackets);
    if (from.rxErrors) out.tag(32).u64(from.rxErrors);
    if (from.rxDropped) out.tag(40).u64(from.rxDropped);
    if (from.txBytes) out.tag(48).u64(from.txBytes);
    if (from.txPackets) out.tag(56).u64(from.txPackets);
    if (from.txErrors) out.tag(64).u64(from.txErrors);
    if (from.txDropped) out.tag(72).u64(from.txDropped);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.name = input.string();
        return true;
      case 16:
        into.rxBytes = input.u64();
        return true;
      case 24:
        into.rxPackets = input.u64();
        return true;
      case 32:
        into.rxErrors = input.u64();
        return true;
      case 40:
        into.rxDropped = input.u64();
        return true;
      case 48:
        into.txBytes = input.u64();
        return true;
      case 56:
        into.txPackets = input.u64();
        return true;
      case 64:
        into.txErrors = input.u64();
        return true;
      case 72:
        into.txDropped = input.u64();
        return true;
      default:
        return false;
    }
  },
);

/** Number of tasks in each scheduler state. */
export interface V1CgroupStats {
  nrSleeping: bigint;
  nrRunning: bigint;
  nrStopped: bigint;
  nrUninterruptible: bigint;
  nrIoWait: bigint;
}
export const V1CgroupStats: Message<V1CgroupStats> = message<V1CgroupStats>(
  (init) => ({
    nrSleeping: init.nrSleeping ?? 0n,
    nrRunning: init.nrRunning ?? 0n,
    nrStopped: init.nrStopped ?? 0n,
    nrUninterruptible: init.nrUninterruptible ?? 0n,
    nrIoWait: init.nrIoWait ?? 0n,
  }),
  (out, from) => {
    if (from.nrSleeping) out.tag(8).u64(from.nrSleeping);
    if (from.nrRunning) out.tag(16).u64(from.nrRunning);
    if (from.nrStopped) out.tag(24).u64(from.nrStopped);
    if (from.nrUninterruptible) out.tag(32).u64(from.nrUninterruptible);
    if (from.nrIoWait) out.tag(40).u64(from.nrIoWait);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.nrSleeping = input.u64();
        return true;
      case 16:
        into.nrRunning = input.u64();
        return true;
      case 24:
        into.nrStopped = input.u64();
        return true;
      case 32:
        into.nrUninterruptible = input.u64();
        return true;
      case 40:
        into.nrIoWait = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V2Metrics {
  pids?: V2PidsStat | undefined;
  cpu?: V2CPUStat | undefined;
  memory?: V2MemoryStat | undefined;
  rdma?: V2RdmaStat | undefined;
  io?: V2IOStat | undefined;
  hugetlb: V2HugeTlbStat[];
  memoryEvents?: V2MemoryEvents | undefined;
  network: V2NetworkStat[];
}
export const V2Metrics: Message<V2Metrics> = message<V2Metrics>(
  (init) => ({
    pids: init.pids && V2PidsStat.create(init.pids),
    cpu: init.cpu && V2CPUStat.create(init.cpu),
    memory: init.memory && V2MemoryStat.create(init.memory),
    rdma: init.rdma && V2RdmaStat.create(init.rdma),
    io: init.io && V2IOStat.create(init.io),
    hugetlb: (init.hugetlb ?? []).map(V2HugeTlbStat.create),
    memoryEvents: init.memoryEvents && V2MemoryEvents.create(init.memoryEvents),
    network: (init.network ?? []).map(V2NetworkStat.create),
  }),
  (out, from) => {
    if (from.pids) out.message(10, V2PidsStat, from.pids);
    if (from.cpu) out.message(18, V2CPUStat, from.cpu);
    if (from.memory) out.message(34, V2MemoryStat, from.memory);
    if (from.rdma) out.message(42, V2RdmaStat, from.rdma);
    if (from.io) out.message(50, V2IOStat, from.io);
    for (const value of from.hugetlb ?? []) out.message(58, V2HugeTlbStat, value);
    if (from.memoryEvents) out.message(66, V2MemoryEvents, from.memoryEvents);
    for (const value of from.network ?? []) out.message(74, V2NetworkStat, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.pids = input.message(V2PidsStat, into.pids);
        return true;
      case 18:
        into.cpu = input.message(V2CPUStat, into.cpu);
        return true;
      case 34:
        into.memory = input.message(V2MemoryStat, into.memory);
        return true;
      case 42:
        into.rdma = input.message(V2RdmaStat, into.rdma);
        return true;
      case 50:
        into.io = input.message(V2IOStat, into.io);
        return true;
      case 58:
        input.count();
        into.hugetlb.push(input.message(V2HugeTlbStat));
        return true;
      case 66:
        into.memoryEvents = input.message(V2MemoryEvents, into.memoryEvents);
        return true;
      case 74:
        input.count();
        into.network.push(input.message(V2NetworkStat));
        return true;
      default:
        return false;
    }
  },
);

/** Pressure: averages in per cent, total in microseconds. */
export interface V2PSIData {
  avg10: number;
  avg60: number;
  avg300: number;
  total: bigint;
}
export const V2PSIData: Message<V2PSIData> = message<V2PSIData>(
  (init) => ({
    avg10: init.avg10 ?? 0,
    avg60: init.avg60 ?? 0,
    avg300: init.avg300 ?? 0,
    total: init.total ?? 0n,
  }),
  (out, from) => {
    if (from.avg10 !== undefined && !Object.is(from.avg10, 0)) out.tag(9).double(from.avg10);
    if (from.avg60 !== undefined && !Object.is(from.avg60, 0)) out.tag(17).double(from.avg60);
    if (from.avg300 !== undefined && !Object.is(from.avg300, 0)) out.tag(25).double(from.avg300);
    if (from.total) out.tag(32).u64(from.total);
  },
  (input, into, tag) => {
    switch (tag) {
      case 9:
        into.avg10 = input.double();
        return true;
      case 17:
        into.avg60 = input.double();
        return true;
      case 25:
        into.avg300 = input.double();
        return true;
      case 32:
        into.total = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V2PSIStats {
  some?: V2PSIData | undefined;
  full?: V2PSIData | undefined;
}
export const V2PSIStats: Message<V2PSIStats> = message<V2PSIStats>(
  (init) => ({
    some: init.some && V2PSIData.create(init.some),
    full: init.full && V2PSIData.create(init.full),
  }),
  (out, from) => {
    if (from.some) out.message(10, V2PSIData, from.some);
    if (from.full) out.message(18, V2PSIData, from.full);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.some = input.message(V2PSIData, into.some);
        return true;
      case 18:
        into.full = input.message(V2PSIData, into.full);
        return true;
      default:
        return false;
    }
  },
);

export interface V2PidsStat {
  current: bigint;
  limit: bigint;
}
export const V2PidsStat: Message<V2PidsStat> = message<V2PidsStat>(
  (init) => ({
    current: init.current ?? 0n,
    limit: init.limit ?? 0n,
  }),
  (out, from) => {
    if (from.current) out.tag(8).u64(from.current);
    if (from.limit) out.tag(16).u64(from.limit);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.current = input.u64();
        return true;
      case 16:
        into.limit = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V2CPUStat {
  usageUsec: bigint;
  userUsec: bigint;
  systemUsec: bigint;
  nrPeriods: bigint;
  nrThrottled: bigint;
  throttledUsec: bigint;
  psi?: V2PSIStats | undefined;
  nrBursts: bigint;
  burstUsec: bigint;
}
export const V2CPUStat: Message<V2CPUStat> = message<V2CPUStat>(
  (init) => ({
    usageUsec: init.usageUsec ?? 0n,
    userUsec: init.userUsec ?? 0n,
    systemUsec: init.systemUsec ?? 0n,
    nrPeriods: init.nrPeriods ?? 0n,
    nrThrottled: init.nrThrottled ?? 0n,
    throttledUsec: init.throttledUsec ?? 0n,
    psi: init.psi && V2PSIStats.create(init.psi),
    nrBursts: init.nrBursts ?? 0n,
    burstUsec: init.burstUsec ?? 0n,
  }),
  (out, from) => {
    if (from.usageUsec) out.tag(8).u64(from.usageUsec);
    if (from.userUsec) out.tag(16).u64(from.userUsec);
    if (from.systemUsec) out.tag(24).u64(from.systemUsec);
    if (from.nrPeriods) out.tag(32).u64(from.nrPeriods);
    if (from.nrThrottled) out.tag(40).u64(from.nrThrottled);
    if (from.throttledUsec) out.tag(48).u64(from.throttledUsec);
    if (from.psi) out.message(58, V2PSIStats, from.psi);
    if (from.nrBursts) out.tag(64).u64(from.nrBursts);
    if (from.burstUsec) out.tag(72).u64(from.burstUsec);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.usageUsec = input.u64();
        return true;
      case 16:
        into.userUsec = input.u64();
        return true;
      case 24:
        into.systemUsec = input.u64();
        return true;
      case 32:
        into.nrPeriods = input.u64();
        return true;
      case 40:
        into.nrThrottled = input.u64();
        return true;
      case 48:
        into.throttledUsec = input.u64();
        return true;
      case 58:
        into.psi = input.message(V2PSIStats, into.psi);
        return true;
      case 64:
        into.nrBursts = input.u64();
        return true;
      case 72:
        into.burstUsec = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V2MemoryStat {
  anon: bigint;
  file: bigint;
  kernelStack: bigint;
  slab: bigint;
  sock: bigint;
  shmem: bigint;
  fileMapped: bigint;
  fileDirty: bigint;
  fileWriteback: bigint;
  anonThp: bigint;
  inactiveAnon: bigint;
  activeAnon: bigint;
  inactiveFile: bigint;
  activeFile: bigint;
  unevictable: bigint;
  slabReclaimable: bigint;
  slabUnreclaimable: bigint;
  pgfault: bigint;
  pgmajfault: bigint;
  workingsetRefault: bigint;
  workingsetActivate: bigint;
  workingsetNodereclaim: bigint;
  pgrefill: bigint;
  pgscan: bigint;
  pgsteal: bigint;
  pgactivate: bigint;
  pgdeactivate: bigint;
  pglazyfree: bigint;
  pglazyfreed: bigint;
  thpFaultAlloc: bigint;
  thpCollapseAlloc: bigint;
  usage: bigint;
  usageLimit: bigint;
  swapUsage: bigint;
  swapLimit: bigint;
  maxUsage: bigint;
  swapMaxUsage: bigint;
  psi?: V2PSIStats | undefined;
}
export const V2MemoryStat: Message<V2MemoryStat> = message<V2MemoryStat>(
  (init) => ({
    anon: init.anon ?? 0n,
    file: init.file ?? 0n,
    kernelStack: init.kernelStack ?? 0n,
    slab: init.slab ?? 0n,
    sock: init.sock ?? 0n,
    shmem: init.shmem ?? 0n,
    fileMapped: init.fileMapped ?? 0n,
    fileDirty: init.fileDirty ?? 0n,
    fileWriteback: init.fileWriteback ?? 0n,
    anonThp: init.anonThp ?? 0n,
    inactiveAnon: init.inactiveAnon ?? 0n,
    activeAnon: init.activeAnon ?? 0n,
    inactiveFile: init.inactiveFile ?? 0n,
    activeFile: init.activeFile ?? 0n,
    unevictable: init.unevictable ?? 0n,
    slabReclaimable: init.slabReclaimable ?? 0n,
    slabUnreclaimable: init.slabUnreclaimable ?? 0n,
    pgfault: init.pgfault ?? 0n,
    pgmajfault: init.pgmajfault ?? 0n,
    workingsetRefault: init.workingsetRefault ?? 0n,
    workingsetActivate: init.workingsetActivate ?? 0n,
    workingsetNodereclaim: init.workingsetNodereclaim ?? 0n,
    pgrefill: init.pgrefill ?? 0n,
    pgscan: init.pgscan ?? 0n,
    pgsteal: init.pgsteal ?? 0n,
    pgactivate: init.pgactivate ?? 0n,
    pgdeactivate: init.pgdeactivate ?? 0n,
    pglazyfree: init.pglazyfree ?? 0n,
    pglazyfreed: init.pglazyfreed ?? 0n,
    thpFaultAlloc: init.thpFaultAlloc ?? 0n,
    thpCollapseAlloc: init.thpCollapseAlloc ?? 0n,
    usage: init.usage ?? 0n,
    usageLimit: init.usageLimit ?? 0n,
    swapUsage: init.swapUsage ?? 0n,
    swapLimit: init.swapLimit ?? 0n,
    maxUsage: init.maxUsage ?? 0n,
    swapMaxUsage: init.swapMaxUsage ?? 0n,
    psi: init.psi && V2PSIStats.create(init.psi),
  }),
  (out, from) => {
    if (from.anon) out.tag(8).u64(from.anon);
    if (from.file) out.tag(16).u64(from.file);
    if (from.kernelStack) out.tag(24).u64(from.kernelStack);
    if (from.slab) out.tag(32).u64(from.slab);
    if (from.sock) out.tag(40).u64(from.sock);
    if (from.shmem) out.tag(48).u64(from.shmem);
    if (from.fileMapped) out.tag(56).u64(from.fileMapped);
    if (from.fileDirty) out.tag(64).u64(from.fileDirty);
    if (from.fileWriteback) out.tag(72).u64(from.fileWriteback);
    if (from.anonThp) out.tag(80).u64(from.anonThp);
    if (from.inactiveAnon) out.tag(88).u64(from.inactiveAnon);
    if (from.activeAnon) out.tag(96).u64(from.activeAnon);
    if (from.inactiveFile) out.tag(104).u64(from.inactiveFile);
    if (from.activeFile) out.tag(112).u64(from.activeFile);
    if (from.unevictable) out.tag(120).u64(from.unevictable);
    if (from.slabReclaimable) out.tag(128).u64(from.slabReclaimable);
    if (from.slabUnreclaimable) out.tag(136).u64(from.slabUnreclaimable);
    if (from.pgfault) out.tag(144).u64(from.pgfault);
    if (from.pgmajfault) out.tag(152).u64(from.pgmajfault);
    if (from.workingsetRefault) out.tag(160).u64(from.workingsetRefault);
    if (from.workingsetActivate) out.tag(168).u64(from.workingsetActivate);
    if (from.workingsetNodereclaim) out.tag(176).u64(from.workingsetNodereclaim);
    if (from.pgrefill) out.tag(184).u64(from.pgrefill);
    if (from.pgscan) out.tag(192).u64(from.pgscan);
    if (from.pgsteal) out.tag(200).u64(from.pgsteal);
    if (from.pgactivate) out.tag(208).u64(from.pgactivate);
    if (from.pgdeactivate) out.tag(216).u64(from.pgdeactivate);
    if (from.pglazyfree) out.tag(224).u64(from.pglazyfree);
    if (from.pglazyfreed) out.tag(232).u64(from.pglazyfreed);
    if (from.thpFaultAlloc) out.tag(240).u64(from.thpFaultAlloc);
    if (from.thpCollapseAlloc) out.tag(248).u64(from.thpCollapseAlloc);
    if (from.usage) out.tag(256).u64(from.usage);
    if (from.usageLimit) out.tag(264).u64(from.usageLimit);
    if (from.swapUsage) out.tag(272).u64(from.swapUsage);
    if (from.swapLimit) out.tag(280).u64(from.swapLimit);
    if (from.maxUsage) out.tag(288).u64(from.maxUsage);
    if (from.swapMaxUsage) out.tag(296).u64(from.swapMaxUsage);
    if (from.psi) out.message(306, V2PSIStats, from.psi);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.anon = input.u64();
        return true;
      case 16:
        into.file = input.u64();
        return true;
      case 24:
        into.kernelStack = input.u64();
        return true;
      case 32:
        into.slab = input.u64();
        return true;
      case 40:
        into.sock = input.u64();
        return true;
      case 48:
        into.shmem = input.u64();
        return true;
      case 56:
        into.fileMapped = input.u64();
        return true;
      case 64:
        into.fileDirty = input.u64();
        return true;
      case 72:
        into.fileWriteback = input.u64();
        return true;
      case 80:
        into.anonThp = input.u64();
        return true;
      case 88:
        into.inactiveAnon = input.u64();
        return true;
      case 96:
        into.activeAnon = input.u64();
        return true;
      case 104:
        into.inactiveFile = input.u64();
        return true;
      case 112:
        into.activeFile = input.u64();
        return true;
      case 120:
        into.unevictable = input.u64();
        return true;
      case 128:
        into.slabReclaimable = input.u64();
        return true;
      case 136:
        into.slabUnreclaimable = input.u64();
        return true;
      case 144:
        into.pgfault = input.u64();
        return true;
      case 152:
        into.pgmajfault = input.u64();
        return true;
      case 160:
        into.workingsetRefault = input.u64();
        return true;
      case 168:
        into.workingsetActivate = input.u64();
        return true;
      case 176:
        into.workingsetNodereclaim = input.u64();
        return true;
      case 184:
        into.pgrefill = input.u64();
        return true;
      case 192:
        into.pgscan = input.u64();
        return true;
      case 200:
        into.pgsteal = input.u64();
        return true;
      case 208:
        into.pgactivate = input.u64();
        return true;
      case 216:
        into.pgdeactivate = input.u64();
        return true;
      case 224:
        into.pglazyfree = input.u64();
        return true;
      case 232:
        into.pglazyfreed = input.u64();
        return true;
      case 240:
        into.thpFaultAlloc = input.u64();
        return true;
      case 248:
        into.thpCollapseAlloc = input.u64();
        return true;
      case 256:
        into.usage = input.u64();
        return true;
      case 264:
        into.usageLimit = input.u64();
        return true;
      case 272:
        into.swapUsage = input.u64();
        return true;
      case 280:
        into.swapLimit = input.u64();
        return true;
      case 288:
        into.maxUsage = input.u64();
        return true;
      case 296:
        into.swapMaxUsage = input.u64();
        return true;
      case 306:
        into.psi = input.message(V2PSIStats, into.psi);
        return true;
      default:
        return false;
    }
  },
);

export interface V2MemoryEvents {
  low: bigint;
  high: bigint;
  max: bigint;
  oom: bigint;
  oomKill: bigint;
}
export const V2MemoryEvents: Message<V2MemoryEvents> = message<V2MemoryEvents>(
  (init) => ({
    low: init.low ?? 0n,
    high: init.high ?? 0n,
    max: init.max ?? 0n,
    oom: init.oom ?? 0n,
    oomKill: init.oomKill ?? 0n,
  }),
  (out, from) => {
    if (from.low) out.tag(8).u64(from.low);
    if (from.high) out.tag(16).u64(from.high);
    if (from.max) out.tag(24).u64(from.max);
    if (from.oom) out.tag(32).u64(from.oom);
    if (from.oomKill) out.tag(40).u64(from.oomKill);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.low = input.u64();
        return true;
      case 16:
        into.high = input.u64();
        return true;
      case 24:
        into.max = input.u64();
        return true;
      case 32:
        into.oom = input.u64();
        return true;
      case 40:
        into.oomKill = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V2RdmaStat {
  current: V2RdmaEntry[];
  limit: V2RdmaEntry[];
}
export const V2RdmaStat: Message<V2RdmaStat> = message<V2RdmaStat>(
  (init) => ({
    current: (init.current ?? []).map(V2RdmaEntry.create),
    limit: (init.limit ?? []).map(V2RdmaEntry.create),
  }),
  (out, from) => {
    for (const value of from.current ?? []) out.message(10, V2RdmaEntry, value);
    for (const value of from.limit ?? []) out.message(18, V2RdmaEntry, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.current.push(input.message(V2RdmaEntry));
        return true;
      case 18:
        input.count();
        into.limit.push(input.message(V2RdmaEntry));
        return true;
      default:
        return false;
    }
  },
);

export interface V2RdmaEntry {
  device: string;
  hcaHandles: number;
  hcaObjects: number;
}
export const V2RdmaEntry: Message<V2RdmaEntry> = message<V2RdmaEntry>(
  (init) => ({
    device: init.device ?? '',
    hcaHandles: init.hcaHandles ?? 0,
    hcaObjects: init.hcaObjects ?? 0,
  }),
  (out, from) => {
    if (from.device) out.tag(10).string(from.device);
    if (from.hcaHandles) out.tag(16).uint32(from.hcaHandles);
    if (from.hcaObjects) out.tag(24).uint32(from.hcaObjects);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.device = input.string();
        return true;
      case 16:
        into.hcaHandles = input.uint32();
        return true;
      case 24:
        into.hcaObjects = input.uint32();
        return true;
      default:
        return false;
    }
  },
);

export interface V2IOStat {
  usage: V2IOEntry[];
  psi?: V2PSIStats | undefined;
}
export const V2IOStat: Message<V2IOStat> = message<V2IOStat>(
  (init) => ({
    usage: (init.usage ?? []).map(V2IOEntry.create),
    psi: init.psi && V2PSIStats.create(init.psi),
  }),
  (out, from) => {
    for (const value of from.usage ?? []) out.message(10, V2IOEntry, value);
    if (from.psi) out.message(18, V2PSIStats, from.psi);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.usage.push(input.message(V2IOEntry));
        return true;
      case 18:
        into.psi = input.message(V2PSIStats, into.psi);
        return true;
      default:
        return false;
    }
  },
);

export interface V2IOEntry {
  major: bigint;
  minor: bigint;
  rbytes: bigint;
  wbytes: bigint;
  rios: bigint;
  wios: bigint;
}
export const V2IOEntry: Message<V2IOEntry> = message<V2IOEntry>(
  (init) => ({
    major: init.major ?? 0n,
    minor: init.minor ?? 0n,
    rbytes: init.rbytes ?? 0n,
    wbytes: init.wbytes ?? 0n,
    rios: init.rios ?? 0n,
    wios: init.wios ?? 0n,
  }),
  (out, from) => {
    if (from.major) out.tag(8).u64(from.major);
    if (from.minor) out.tag(16).u64(from.minor);
    if (from.rbytes) out.tag(24).u64(from.rbytes);
    if (from.wbytes) out.tag(32).u64(from.wbytes);
    if (from.rios) out.tag(40).u64(from.rios);
    if (from.wios) out.tag(48).u64(from.wios);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.major = input.u64();
        return true;
      case 16:
        into.minor = input.u64();
        return true;
      case 24:
        into.rbytes = input.u64();
        return true;
      case 32:
        into.wbytes = input.u64();
        return true;
      case 40:
        into.rios = input.u64();
        return true;
      case 48:
        into.wios = input.u64();
        return true;
      default:
        return false;
    }
  },
);

export interface V2HugeTlbStat {
  current: bigint;
  max: bigint;
  pagesize: string;
}
export const V2HugeTlbStat: Message<V2HugeTlbStat> = message<V2HugeTlbStat>(
  (init) => ({
    current: init.current ?? 0n,
    max: init.max ?? 0n,
    pagesize: init.pagesize ?? '',
  }),
  (out, from) => {
    if (from.current) out.tag(8).u64(from.current);
    if (from.max) out.tag(16).u64(from.max);
    if (from.pagesize) out.tag(26).string(from.pagesize);
  },
  (input, into, tag) => {
    switch (tag) {
      case 8:
        into.current = input.u64();
        return true;
      case 16:
        into.max = input.u64();
        return true;
      case 26:
        into.pagesize = input.string();
        return true;
      default:
        return false;
    }
  },
);

export interface V2NetworkStat {
  name: string;
  rxBytes: bigint;
  rxPackets: bigint;
  rxErrors: bigint;
  rxDropped: bigint;
  txBytes: bigint;
  txPackets: bigint;
  txErrors: bigint;
  txDropped: bigint;
}
export const V2NetworkStat: Message<V2NetworkStat> = message<V2NetworkStat>(
  (init) => ({
    name: init.name ?? '',
    rxBytes: init.rxBytes ?? 0n,
    rxPackets: init.rxPackets ?? 0n,
    rxErrors: init.rxErrors ?? 0n,
    rxDropped: init.rxDropped ?? 0n,
    txBytes: init.txBytes ?? 0n,
    txPackets: init.txPackets ?? 0n,
    txErrors: init.txErrors ?? 0n,
    txDropped: init.txDropped ?? 0n,
  }),
  (out, from) => {
    if (from.name) out.tag(10).string(from.name);
    if (from.rxBytes) out.tag(16).u64(from.rxBytes);
    if (from.rxPackets) out.tag(24).u64(from.rxPackets);
    if (from.rxErrors) out.tag(32).u64(from.rxErrors);
    if (from.rxDropped) out.tag(40).u64(from.rxDropped);
    if (from.txBytes) out.tag(48).u64(from.txBytes);
    if (from.txPackets) out.tag(56).u64(from.txPackets);
    if (from.txErrors) out.tag(64).u64(from.txErrors);
    if (from.txDropped) out.tag(72).u64(from.txDropped);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.name = input.string();
        return true;
      case 16:
        into.rxBytes = input.u64();
        return true;
      case 24:
        into.rxPackets = input.u64();
        return true;
      case 32:
        into.rxErrors = input.u64();
        return true;
      case 40:
        into.rxDropped = input.u64();
        return true;
      case 48:
        into.txBytes = input.u64();
        return true;
      case 56:
        into.txPackets = input.u64();
        return true;
      case 64:
        into.txErrors = input.u64();
        return true;
      case 72:
        into.txDropped = input.u64();
        return true;
      default:
        return false;
    }
  },
);
