// Generated from proto/cgroups_v1.proto by scripts/gen.ts; do not edit.
import { message, type Message } from './wire.ts';

export interface Metrics {
  hugetlb: HugetlbStat[];
  pids?: PidsStat | undefined;
  cpu?: CPUStat | undefined;
  memory?: MemoryStat | undefined;
  blkio?: BlkIOStat | undefined;
  rdma?: RdmaStat | undefined;
  network: NetworkStat[];
  cgroupStats?: CgroupStats | undefined;
  memoryOomControl?: MemoryOomControl | undefined;
}
export const Metrics: Message<Metrics> = message<Metrics>(
  (init) => ({
    hugetlb: (init.hugetlb ?? []).map(HugetlbStat.create),
    pids: init.pids && PidsStat.create(init.pids),
    cpu: init.cpu && CPUStat.create(init.cpu),
    memory: init.memory && MemoryStat.create(init.memory),
    blkio: init.blkio && BlkIOStat.create(init.blkio),
    rdma: init.rdma && RdmaStat.create(init.rdma),
    network: (init.network ?? []).map(NetworkStat.create),
    cgroupStats: init.cgroupStats && CgroupStats.create(init.cgroupStats),
    memoryOomControl: init.memoryOomControl && MemoryOomControl.create(init.memoryOomControl),
  }),
  (out, from) => {
    for (const value of from.hugetlb ?? []) out.message(10, HugetlbStat, value);
    if (from.pids) out.message(18, PidsStat, from.pids);
    if (from.cpu) out.message(26, CPUStat, from.cpu);
    if (from.memory) out.message(34, MemoryStat, from.memory);
    if (from.blkio) out.message(42, BlkIOStat, from.blkio);
    if (from.rdma) out.message(50, RdmaStat, from.rdma);
    for (const value of from.network ?? []) out.message(58, NetworkStat, value);
    if (from.cgroupStats) out.message(66, CgroupStats, from.cgroupStats);
    if (from.memoryOomControl) out.message(74, MemoryOomControl, from.memoryOomControl);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.hugetlb.push(input.message(HugetlbStat));
        return true;
      case 18:
        into.pids = input.message(PidsStat, into.pids);
        return true;
      case 26:
        into.cpu = input.message(CPUStat, into.cpu);
        return true;
      case 34:
        into.memory = input.message(MemoryStat, into.memory);
        return true;
      case 42:
        into.blkio = input.message(BlkIOStat, into.blkio);
        return true;
      case 50:
        into.rdma = input.message(RdmaStat, into.rdma);
        return true;
      case 58:
        input.count();
        into.network.push(input.message(NetworkStat));
        return true;
      case 66:
        into.cgroupStats = input.message(CgroupStats, into.cgroupStats);
        return true;
      case 74:
        into.memoryOomControl = input.message(MemoryOomControl, into.memoryOomControl);
        return true;
      default:
        return false;
    }
  },
);

export interface HugetlbStat {
  usage: bigint;
  max: bigint;
  failcnt: bigint;
  pagesize: string;
}
export const HugetlbStat: Message<HugetlbStat> = message<HugetlbStat>(
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

export interface PidsStat {
  current: bigint;
  limit: bigint;
}
export const PidsStat: Message<PidsStat> = message<PidsStat>(
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

export interface CPUStat {
  usage?: CPUUsage | undefined;
  throttling?: Throttle | undefined;
}
export const CPUStat: Message<CPUStat> = message<CPUStat>(
  (init) => ({
    usage: init.usage && CPUUsage.create(init.usage),
    throttling: init.throttling && Throttle.create(init.throttling),
  }),
  (out, from) => {
    if (from.usage) out.message(10, CPUUsage, from.usage);
    if (from.throttling) out.message(18, Throttle, from.throttling);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.usage = input.message(CPUUsage, into.usage);
        return true;
      case 18:
        into.throttling = input.message(Throttle, into.throttling);
        return true;
      default:
        return false;
    }
  },
);

/** All in nanoseconds. */
export interface CPUUsage {
  total: bigint;
  kernel: bigint;
  user: bigint;
  perCpu: bigint[];
}
export const CPUUsage: Message<CPUUsage> = message<CPUUsage>(
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
      const start = out.tag(34).begin();
      for (const value of from.perCpu) out.u64(value);
      out.end(start);
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

export interface Throttle {
  periods: bigint;
  throttledPeriods: bigint;
  throttledTime: bigint;
}
export const Throttle: Message<Throttle> = message<Throttle>(
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

export interface MemoryStat {
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
  usage?: MemoryEntry | undefined;
  swap?: MemoryEntry | undefined;
  kernel?: MemoryEntry | undefined;
  kernelTcp?: MemoryEntry | undefined;
}
export const MemoryStat: Message<MemoryStat> = message<MemoryStat>(
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
    usage: init.usage && MemoryEntry.create(init.usage),
    swap: init.swap && MemoryEntry.create(init.swap),
    kernel: init.kernel && MemoryEntry.create(init.kernel),
    kernelTcp: init.kernelTcp && MemoryEntry.create(init.kernelTcp),
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
    if (from.usage) out.message(266, MemoryEntry, from.usage);
    if (from.swap) out.message(274, MemoryEntry, from.swap);
    if (from.kernel) out.message(282, MemoryEntry, from.kernel);
    if (from.kernelTcp) out.message(290, MemoryEntry, from.kernelTcp);
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
        into.usage = input.message(MemoryEntry, into.usage);
        return true;
      case 274:
        into.swap = input.message(MemoryEntry, into.swap);
        return true;
      case 282:
        into.kernel = input.message(MemoryEntry, into.kernel);
        return true;
      case 290:
        into.kernelTcp = input.message(MemoryEntry, into.kernelTcp);
        return true;
      default:
        return false;
    }
  },
);

export interface MemoryEntry {
  limit: bigint;
  usage: bigint;
  max: bigint;
  failcnt: bigint;
}
export const MemoryEntry: Message<MemoryEntry> = message<MemoryEntry>(
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

export interface MemoryOomControl {
  oomKillDisable: bigint;
  underOom: bigint;
  oomKill: bigint;
}
export const MemoryOomControl: Message<MemoryOomControl> = message<MemoryOomControl>(
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

export interface BlkIOStat {
  ioServiceBytesRecursive: BlkIOEntry[];
  ioServicedRecursive: BlkIOEntry[];
  ioQueuedRecursive: BlkIOEntry[];
  ioServiceTimeRecursive: BlkIOEntry[];
  ioWaitTimeRecursive: BlkIOEntry[];
  ioMergedRecursive: BlkIOEntry[];
  ioTimeRecursive: BlkIOEntry[];
  sectorsRecursive: BlkIOEntry[];
}
export const BlkIOStat: Message<BlkIOStat> = message<BlkIOStat>(
  (init) => ({
    ioServiceBytesRecursive: (init.ioServiceBytesRecursive ?? []).map(BlkIOEntry.create),
    ioServicedRecursive: (init.ioServicedRecursive ?? []).map(BlkIOEntry.create),
    ioQueuedRecursive: (init.ioQueuedRecursive ?? []).map(BlkIOEntry.create),
    ioServiceTimeRecursive: (init.ioServiceTimeRecursive ?? []).map(BlkIOEntry.create),
    ioWaitTimeRecursive: (init.ioWaitTimeRecursive ?? []).map(BlkIOEntry.create),
    ioMergedRecursive: (init.ioMergedRecursive ?? []).map(BlkIOEntry.create),
    ioTimeRecursive: (init.ioTimeRecursive ?? []).map(BlkIOEntry.create),
    sectorsRecursive: (init.sectorsRecursive ?? []).map(BlkIOEntry.create),
  }),
  (out, from) => {
    for (const value of from.ioServiceBytesRecursive ?? []) out.message(10, BlkIOEntry, value);
    for (const value of from.ioServicedRecursive ?? []) out.message(18, BlkIOEntry, value);
    for (const value of from.ioQueuedRecursive ?? []) out.message(26, BlkIOEntry, value);
    for (const value of from.ioServiceTimeRecursive ?? []) out.message(34, BlkIOEntry, value);
    for (const value of from.ioWaitTimeRecursive ?? []) out.message(42, BlkIOEntry, value);
    for (const value of from.ioMergedRecursive ?? []) out.message(50, BlkIOEntry, value);
    for (const value of from.ioTimeRecursive ?? []) out.message(58, BlkIOEntry, value);
    for (const value of from.sectorsRecursive ?? []) out.message(66, BlkIOEntry, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.ioServiceBytesRecursive.push(input.message(BlkIOEntry));
        return true;
      case 18:
        input.count();
        into.ioServicedRecursive.push(input.message(BlkIOEntry));
        return true;
      case 26:
        input.count();
        into.ioQueuedRecursive.push(input.message(BlkIOEntry));
        return true;
      case 34:
        input.count();
        into.ioServiceTimeRecursive.push(input.message(BlkIOEntry));
        return true;
      case 42:
        input.count();
        into.ioWaitTimeRecursive.push(input.message(BlkIOEntry));
        return true;
      case 50:
        input.count();
        into.ioMergedRecursive.push(input.message(BlkIOEntry));
        return true;
      case 58:
        input.count();
        into.ioTimeRecursive.push(input.message(BlkIOEntry));
        return true;
      case 66:
        input.count();
        into.sectorsRecursive.push(input.message(BlkIOEntry));
        return true;
      default:
        return false;
    }
  },
);

export interface BlkIOEntry {
  op: string;
  device: string;
  major: bigint;
  minor: bigint;
  value: bigint;
}
export const BlkIOEntry: Message<BlkIOEntry> = message<BlkIOEntry>(
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

export interface RdmaStat {
  current: RdmaEntry[];
  limit: RdmaEntry[];
}
export const RdmaStat: Message<RdmaStat> = message<RdmaStat>(
  (init) => ({
    current: (init.current ?? []).map(RdmaEntry.create),
    limit: (init.limit ?? []).map(RdmaEntry.create),
  }),
  (out, from) => {
    for (const value of from.current ?? []) out.message(10, RdmaEntry, value);
    for (const value of from.limit ?? []) out.message(18, RdmaEntry, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.current.push(input.message(RdmaEntry));
        return true;
      case 18:
        input.count();
        into.limit.push(input.message(RdmaEntry));
        return true;
      default:
        return false;
    }
  },
);

export interface RdmaEntry {
  device: string;
  hcaHandles: number;
  hcaObjects: number;
}
export const RdmaEntry: Message<RdmaEntry> = message<RdmaEntry>(
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

export interface NetworkStat {
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
export const NetworkStat: Message<NetworkStat> = message<NetworkStat>(
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
export interface CgroupStats {
  nrSleeping: bigint;
  nrRunning: bigint;
  nrStopped: bigint;
  nrUninterruptible: bigint;
  nrIoWait: bigint;
}
export const CgroupStats: Message<CgroupStats> = message<CgroupStats>(
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
