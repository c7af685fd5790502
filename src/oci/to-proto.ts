// The protobuf form of a guest spec, for agents that do not take JSON (Kata's). Lossy: much of the spec has no field
// there. Such agents also panic on names they do not know, so those are left out. Pure.
import type { LinuxResources, Process as ProtoProcess, Spec as ProtoSpec } from '../gen/agent.ts';
import type { Init } from '../gen/wire.ts';
import type { Capabilities, Integer, Process, Resources, RunnableSpec } from './spec.ts';

/** Namespaces that such agents handle themselves; naming them is an error. */
const agentNamespaces = new Set(['pid', 'cgroup', 'network', 'time']);

const rlimitTypes = new Set(
  'AS CORE CPU DATA FSIZE LOCKS MEMLOCK MSGQUEUE NICE NOFILE NPROC RSS RTPRIO RTTIME SIGPENDING STACK'
    .split(' ')
    .map((name) => `RLIMIT_${name}`),
);

const capabilityNames = new Set(
  (
    'AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH ' +
    'FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN ' +
    'NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT ' +
    'SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM'
  )
    .split(' ')
    .map((name) => `CAP_${name}`),
);

/** Converts the result of toGuestSpec. Seccomp is left out, as those agents' own shims do by default. */
export function toProtoSpec(spec: RunnableSpec): Init<ProtoSpec> {
  const { linux = {}, mounts = [] } = spec;
  const { pids: _pids, devices: _devices, ...resources } = linux.resources ?? {};
  return {
    version: spec.ociVersion ?? '1.0.2',
    process: toProtoProcess(spec.process),
    root: { path: spec.root.path, readonly: spec.root.readonly ?? false },
    hostname: spec.hostname,
    mounts: mounts.map(({ destination, source, type, options = [] }) => ({
      destination,
      // Neither may be empty.
      source: source || type || 'none',
      type: type || 'bind',
      options,
    })),
    annotations: new Map(Object.entries(spec.annotations ?? {})),
    linux: {
      uidMappings: linux.uidMappings,
      gidMappings: linux.gidMappings,
      sysctl: new Map(Object.entries(linux.sysctl ?? {})),
      resources: toProtoResources(resources),
      cgroupsPath: linux.cgroupsPath,
      namespaces: (linux.namespaces ?? []).filter(({ type }) => !agentNamespaces.has(type)),
      devices: (linux.devices ?? []).map(({ major, minor, ...device }) => ({
        ...device,
        major: toBigInt(major),
        minor: toBigInt(minor),
      })),
      rootfsPropagation: linux.rootfsPropagation,
      maskedPaths: linux.maskedPaths,
      readonlyPaths: linux.readonlyPaths,
    },
  };
}

/** Converts a process. */
export function toProtoProcess(process: Process): Init<ProtoProcess> {
  const { user = {}, rlimits = [] } = process;
  return {
    terminal: process.terminal ?? false,
    consoleSize: process.consoleSize,
    user: {
      uid: user.uid,
      gid: user.gid,
      additionalGids: user.additionalGids,
      username: user.username,
    },
    args: process.args,
    env: process.env,
    cwd: process.cwd,
    capabilities: toProtoCapabilities(process.capabilities ?? {}),
    rlimits: rlimits
      .filter(({ type }) => rlimitTypes.has(type))
      .map(({ type, hard, soft }) => ({ type, hard: toBigInt(hard), soft: toBigInt(soft) })),
    noNewPrivileges: process.noNewPrivileges ?? false,
    oomScoreAdj: toBigInt(process.oomScoreAdj),
  };
}

/** Converts resources; a limit of zero is the same as none. */
export function toProtoResources(resources: Resources): Init<LinuxResources> {
  const { memory, cpu, pids, hugepageLimits = [], devices = [] } = resources;
  return {
    memory: memory && {
      limit: toBigInt(memory.limit),
      reservation: toBigInt(memory.reservation),
      swap: toBigInt(memory.swap),
    },
    cpu: cpu && {
      shares: toBigInt(cpu.shares),
      quota: toBigInt(cpu.quota),
      period: toBigInt(cpu.period),
    },
    pids: pids && { limit: toBigInt(pids.limit) },
    hugepageLimits: hugepageLimits.map(({ pageSize, limit }) => ({
      pagesize: pageSize,
      limit: toBigInt(limit),
    })),
    devices: devices.map(({ allow, type, major, minor, access }) => ({
      allow,
      type: type ?? 'a',
      major: toBigInt(major ?? -1),
      minor: toBigInt(minor ?? -1),
      access: access ?? '',
    })),
  };
}

/** Names of the resources that toProtoResources leaves out, because the protobuf form has no field for them. */
export function withoutProtoForm({ cpu = {}, unified = {} }: Resources): string[] {
  const inCpu = (['burst', 'idle'] as const).filter((key) => cpu[key] !== undefined);
  return [
    ...inCpu.map((key) => `cpu.${key}`),
    ...Object.keys(unified).map((key) => `unified ${JSON.stringify(key)}`),
  ];
}

function toProtoCapabilities(capabilities: Capabilities): Init<ProtoProcess>['capabilities'] {
  const known = (names: readonly string[] = []) => names.filter((name) => capabilityNames.has(name));
  return {
    bounding: known(capabilities.bounding),
    effective: known(capabilities.effective),
    inheritable: known(capabilities.inheritable),
    permitted: known(capabilities.permitted),
    ambient: known(capabilities.ambient),
  };
}

function toBigInt(value: Integer | undefined): bigint {
  return BigInt(value ?? 0);
}
