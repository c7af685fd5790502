// Generated from proto/cgroups_v2.proto by scripts/gen.ts; do not edit.
import { message, type Message } from './wire.ts';

export interface Metrics {
  pids?: PidsStat | undefined;
  cpu?: CPUStat | undefined;
  memory?: MemoryStat | undefined;
  rdma?: RdmaStat | undefined;
  io?: IOStat | undefined;
  hugetlb: HugeTlbStat[];
  memoryEvents?: MemoryEvents | undefined;
  network: NetworkStat[];
}
export const Metrics: Message<Metrics> = message<Metrics>(
  (init) => ({
    pids: init.pids && PidsStat.create(init.pids),
    cpu: init.cpu && CPUStat.create(init.cpu),
    memory: init.memory && MemoryStat.create(init.memory),
    rdma: init.rdma && RdmaStat.create(init.rdma),
    io: init.io && IOStat.create(init.io),
    hugetlb: (init.hugetlb ?? []).map(HugeTlbStat.create),
    memoryEvents: init.memoryEvents && MemoryEvents.create(init.memoryEvents),
    network: (init.network ?? []).map(NetworkStat.create),
  }),
  (out, from) => {
    if (from.pids) out.message(10, PidsStat, from.pids);
    if (from.cpu) out.message(18, CPUStat, from.cpu);
    if (from.memory) out.message(34, MemoryStat, from.memory);
    if (from.rdma) out.message(42, RdmaStat, from.rdma);
    if (from.io) out.message(50, IOStat, from.io);
    for (const value of from.hugetlb ?? []) out.message(58, HugeTlbStat, value);
    if (from.memoryEvents) out.message(66, MemoryEvents, from.memoryEvents);
    for (const value of from.network ?? []) out.message(74, NetworkStat, value);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.pids = input.message(PidsStat, into.pids);
        return true;
      case 18:
        into.cpu = input.message(CPUStat, into.cpu);
        return true;
      case 34:
        into.memory = input.message(MemoryStat, into.memory);
        return true;
      case 42:
        into.rdma = input.message(RdmaStat, into.rdma);
        return true;
      case 50:
        into.io = input.message(IOStat, into.io);
        return true;
      case 58:
        input.count();
        into.hugetlb.push(input.message(HugeTlbStat));
        return true;
      case 66:
        into.memoryEvents = input.message(MemoryEvents, into.memoryEvents);
        return true;
      case 74:
        input.count();
        into.network.push(input.message(NetworkStat));
        return true;
      default:
        return false;
    }
  },
);

/** Pressure: averages in per cent, total in microseconds. */
export interface PSIData {
  avg10: number;
  avg60: number;
  avg300: number;
  total: bigint;
}
export const PSIData: Message<PSIData> = message<PSIData>(
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

export interface PSIStats {
  some?: PSIData | undefined;
  full?: PSIData | undefined;
}
export const PSIStats: Message<PSIStats> = message<PSIStats>(
  (init) => ({
    some: init.some && PSIData.create(init.some),
    full: init.full && PSIData.create(init.full),
  }),
  (out, from) => {
    if (from.some) out.message(10, PSIData, from.some);
    if (from.full) out.message(18, PSIData, from.full);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        into.some = input.message(PSIData, into.some);
        return true;
      case 18:
        into.full = input.message(PSIData, into.full);
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
  usageUsec: bigint;
  userUsec: bigint;
  systemUsec: bigint;
  nrPeriods: bigint;
  nrThrottled: bigint;
  throttledUsec: bigint;
  psi?: PSIStats | undefined;
  nrBursts: bigint;
  burstUsec: bigint;
}
export const CPUStat: Message<CPUStat> = message<CPUStat>(
  (init) => ({
    usageUsec: init.usageUsec ?? 0n,
    userUsec: init.userUsec ?? 0n,
    systemUsec: init.systemUsec ?? 0n,
    nrPeriods: init.nrPeriods ?? 0n,
    nrThrottled: init.nrThrottled ?? 0n,
    throttledUsec: init.throttledUsec ?? 0n,
    psi: init.psi && PSIStats.create(init.psi),
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
    if (from.psi) out.message(58, PSIStats, from.psi);
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
        into.psi = input.message(PSIStats, into.psi);
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

export interface MemoryStat {
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
  psi?: PSIStats | undefined;
}
export const MemoryStat: Message<MemoryStat> = message<MemoryStat>(
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
    psi: init.psi && PSIStats.create(init.psi),
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
    if (from.psi) out.message(306, PSIStats, from.psi);
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
        into.psi = input.message(PSIStats, into.psi);
        return true;
      default:
        return false;
    }
  },
);

export interface MemoryEvents {
  low: bigint;
  high: bigint;
  max: bigint;
  oom: bigint;
  oomKill: bigint;
}
export const MemoryEvents: Message<MemoryEvents> = message<MemoryEvents>(
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

export interface IOStat {
  usage: IOEntry[];
  psi?: PSIStats | undefined;
}
export const IOStat: Message<IOStat> = message<IOStat>(
  (init) => ({
    usage: (init.usage ?? []).map(IOEntry.create),
    psi: init.psi && PSIStats.create(init.psi),
  }),
  (out, from) => {
    for (const value of from.usage ?? []) out.message(10, IOEntry, value);
    if (from.psi) out.message(18, PSIStats, from.psi);
  },
  (input, into, tag) => {
    switch (tag) {
      case 10:
        input.count();
        into.usage.push(input.message(IOEntry));
        return true;
      case 18:
        into.psi = input.message(PSIStats, into.psi);
        return true;
      default:
        return false;
    }
  },
);

export interface IOEntry {
  major: bigint;
  minor: bigint;
  rbytes: bigint;
  wbytes: bigint;
  rios: bigint;
  wios: bigint;
}
export const IOEntry: Message<IOEntry> = message<IOEntry>(
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

export interface HugeTlbStat {
  current: bigint;
  max: bigint;
  pagesize: string;
}
export const HugeTlbStat: Message<HugeTlbStat> = message<HugeTlbStat>(
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
