// How large a sandbox's VM must be, from its spec, the pod's annotations and the configuration. Pure.
import { JsonSyntaxError, parseJson } from './json.ts';
import type { Integer, Spec } from './spec.ts';

/** The part of the configuration that sizing needs. */
export interface SizingConfig {
  readonly defaultVcpus: number;
  readonly defaultMemoryMib: number;
  readonly overheadVcpus: number;
  readonly overheadMemoryMib: number;
}

export interface VmSize {
  readonly vcpus: number;
  readonly memoryMib: number;
  /** One sentence each for CPUs and memory, for the log. */
  readonly reasons: readonly string[];
}

/** What the workload may use. Undefined: no limit. */
interface Limits {
  readonly from: string;
  /** Quota over period. */
  readonly cpus: number | undefined;
  /** The CPU weight in the terms of cgroup v1 (1024 = one CPU). */
  readonly shares: number;
  readonly memoryBytes: number | undefined;
}

const mib = 1024 * 1024;
const defaultPeriodUs = 100_000;
/** Above it a memory limit means "none": cgroup v1 writes 2^63 minus one page. */
const noLimitBytes = 2 ** 50;

const criPrefix = 'io.kubernetes.cri.sandbox-';
const crioKeys = ['pod-linux-resources.crio.io', 'io.kubernetes.cri-o.PodLinuxResources'] as const;

/**
 * Sizes the VM. Without a limit it gets the configured default; with one, the limit plus the configured overhead.
 * @param hostCpus caps the vCPUs that follow from limits, not the configured default.
 */
export function sizeVm(spec: Spec, config: SizingConfig, hostCpus = Number.POSITIVE_INFINITY): VmSize {
  const annotations = spec.annotations ?? {};
  const limits = criLimits(annotations) ?? crioLimits(annotations) ?? specLimits(spec);
  const [vcpus, cpuReason] = sizeCpus(limits, config, hostCpus);
  const [memoryMib, memoryReason] = sizeMemory(limits, config, hugepageBytes(spec));
  return { vcpus, memoryMib, reasons: [cpuReason, memoryReason] };
}

function sizeCpus(limits: Limits, config: SizingConfig, hostCpus: number): [number, string] {
  const { from, cpus, shares } = limits;
  if (cpus === undefined) {
    const weight = Math.min(Math.ceil(shares / 1024), hostCpus);
    if (weight <= config.defaultVcpus)
      return [config.defaultVcpus, `${config.defaultVcpus} vCPUs: the default, no limit in ${from}`];
    return [weight, `${weight} vCPUs: no limit, but ${shares} CPU shares in ${from}`];
  }
  const wanted = Math.max(1, Math.ceil(config.overheadVcpus + cpus));
  const vcpus = Math.min(wanted, Math.max(1, hostCpus));
  const capped = vcpus < wanted ? `, capped at the host's ${hostCpus}` : '';
  return [
    vcpus,
    `${vcpus} vCPUs: limit ${round(cpus)} in ${from} plus overhead ${config.overheadVcpus}${capped}`,
  ];
}

function sizeMemory(limits: Limits, config: SizingConfig, hugepages: number): [number, string] {
  const { from, memoryBytes } = limits;
  const extra = Math.ceil(hugepages / mib);
  const also = extra > 0 ? ` plus ${extra} MiB of huge pages` : '';
  if (memoryBytes === undefined) {
    const total = config.defaultMemoryMib + extra;
    return [total, `${total} MiB: the default, no limit in ${from}${also}`];
  }
  const limit = Math.ceil(memoryBytes / mib);
  const total = config.overheadMemoryMib + limit + extra;
  return [
    total,
    `${total} MiB: limit ${limit} MiB in ${from} plus overhead ${config.overheadMemoryMib} MiB${also}`,
  ];
}

function specLimits(spec: Spec): Limits {
  const { cpu, memory } = spec.linux?.resources ?? {};
  return {
    from: 'linux.resources',
    cpus: cpuLimit(toNumber(cpu?.quota), toNumber(cpu?.period)),
    shares: toNumber(cpu?.shares),
    memoryBytes: memoryLimit(toNumber(memory?.limit)),
  };
}

/** containerd tells a sandbox what all of its pod may use. */
function criLimits(annotations: Readonly<Record<string, string>>): Limits | undefined {
  const keys = ['cpu-period', 'cpu-quota', 'cpu-shares', 'memory'];
  if (!keys.some((key) => annotations[criPrefix + key] !== undefined)) return undefined;
  const value = (key: string) => toNumber(annotations[criPrefix + key]);
  return {
    from: `${criPrefix}*`,
    cpus: cpuLimit(value('cpu-quota'), value('cpu-period')),
    shares: value('cpu-shares'),
    memoryBytes: memoryLimit(value('memory')),
  };
}

/** CRI-O does so with one JSON object in the field names of CRI. */
function crioLimits(annotations: Readonly<Record<string, string>>): Limits | undefined {
  const key = crioKeys.find((candidate) => annotations[candidate] !== undefined);
  const fields = key === undefined ? undefined : parseObject(annotations[key] ?? '');
  if (key === undefined || fields === undefined) return undefined;
  const value = (name: string) => toNumber(fields[name]);
  return {
    from: key,
    cpus: cpuLimit(value('cpu_quota'), value('cpu_period')),
    shares: value('cpu_shares'),
    memoryBytes: memoryLimit(value('memory_limit_in_bytes')),
  };
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = parseJson(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return undefined;
    throw error;
  }
}

function cpuLimit(quotaUs: number, periodUs: number): number | undefined {
  return quotaUs > 0 ? quotaUs / (periodUs > 0 ? periodUs : defaultPeriodUs) : undefined;
}

function memoryLimit(bytes: number): number | undefined {
  return bytes > 0 && bytes < noLimitBytes ? bytes : undefined;
}

function hugepageBytes(spec: Spec): number {
  const limits = spec.linux?.resources?.hugepageLimits ?? [];
  return limits.reduce((sum, { limit }) => sum + (memoryLimit(toNumber(limit)) ?? 0), 0);
}

/** A number from a field or an annotation; what is not one counts as 0, "not set". */
function toNumber(value: unknown): number {
  if (typeof value === 'string' && !/^-?\d+$/.test(value)) return 0;
  const number =
    typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string'
      ? Number(value as Integer | string)
      : 0;
  return Number.isFinite(number) ? number : 0;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
