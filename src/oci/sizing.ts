// How large a sandbox's VM must be, from its spec, the pod's annotations and the configuration. Pure.
import { JsonSyntaxError, parseJson } from './json.ts';
import type { Integer, Resources, Spec } from './spec.ts';

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

/** What the workload may use; undefined means no limit. */
interface Limits {
  readonly from: string;
  /** Quota over period. */
  readonly cpus: number | undefined;
  /** The CPU weight as cgroup v1 shares (1024 = one CPU). */
  readonly shares: number;
  readonly memoryBytes: number | undefined;
}

const mib = 1024 * 1024;
const defaultPeriodUs = 100_000;
/** A higher memory limit means "none": cgroup v1 shows 2^63 minus one page. */
const noLimitBytes = 2 ** 50;

const criPrefix = 'io.kubernetes.cri.sandbox-';
const crioKeys = ['pod-linux-resources.crio.io', 'io.kubernetes.cri-o.PodLinuxResources'] as const;

/** What sizing needs to know about the host. */
export interface SizingHost {
  /** Caps the vCPUs that follow from limits, not the configured default. */
  readonly cpus?: number;
  /** For a pod: the limits of its cgroup. Without it only the limits in the spec count. */
  readonly pod?: PodLimits | undefined;
}

/** Limits of a pod's cgroup; a missing one means that some container of the pod has no limit. */
export interface PodLimits {
  readonly memoryBytes?: number | undefined;
  readonly cpus?: number | undefined;
  /** The sum of its containers' memory requests, where the node has it. */
  readonly reservedBytes?: number | undefined;
}

/** A required size, and why. */
type Need = readonly [amount: number, reason: string];

/**
 * Sizes the VM. Without a limit it gets the configured default; with one, the limit plus the configured overhead. For a
 * pod, a manager passes the sum of those limits that exist: where the pod's cgroup has no limit, some container has
 * none, and the VM gets the largest of the default, that sum and what is requested.
 */
export function sizeVm(spec: Spec, config: SizingConfig, host: SizingHost = {}): VmSize {
  const annotations = spec.annotations ?? {};
  const limits = criLimits(annotations) ?? crioLimits(annotations) ?? specLimits(spec);
  const [vcpus, cpuReason] = largest(cpuNeeds(limits, config, host));
  const [ofLimits, memoryReason] = largest(memoryNeeds(limits, config, host));
  const extra = hugepageMib(spec);
  const also = extra > 0 ? ` plus ${extra} MiB of huge pages` : '';
  const memoryMib = ofLimits + extra;
  return {
    vcpus,
    memoryMib,
    reasons: [`${vcpus} vCPUs: ${cpuReason}`, `${memoryMib} MiB: ${memoryReason}${also}`],
  };
}

/** The largest need; the first of several. */
function largest(needs: readonly Need[]): Need {
  return needs.reduce((most, need) => (need[0] > most[0] ? need : most));
}

function cpuNeeds(
  { from, cpus, shares }: Limits,
  { defaultVcpus, overheadVcpus }: SizingConfig,
  { cpus: hostCpus = Number.POSITIVE_INFINITY, pod }: SizingHost,
): Need[] {
  const needs: Need[] = [];
  const limit = cpus ?? pod?.cpus;
  if ((pod ?? { cpus }).cpus === undefined) {
    needs.push([defaultVcpus, `the default, ${noLimit(limit, from)}`]);
    needs.push([
      Math.min(Math.ceil(shares / 1024), hostCpus),
      `no limit, but ${shares} CPU shares in ${from}`,
    ]);
  }
  if (limit !== undefined) {
    const wanted = Math.max(1, Math.ceil(overheadVcpus + limit));
    const vcpus = Math.min(wanted, Math.max(1, hostCpus));
    const capped = vcpus < wanted ? `, capped at the host's ${hostCpus}` : '';
    const where = cpus === undefined ? GROUP : from;
    needs.push([vcpus, `limit ${round(limit)} in ${where} plus overhead ${overheadVcpus}${capped}`]);
  }
  return needs;
}

function memoryNeeds(
  { from, memoryBytes }: Limits,
  { defaultMemoryMib, overheadMemoryMib }: SizingConfig,
  { pod }: SizingHost,
): Need[] {
  const needs: Need[] = [];
  const withOverhead = (bytes: number, what: string, where: string): Need => {
    const amount = Math.ceil(bytes / mib);
    return [
      overheadMemoryMib + amount,
      `${what} ${amount} MiB in ${where} plus overhead ${overheadMemoryMib} MiB`,
    ];
  };
  if ((pod ?? { memoryBytes }).memoryBytes === undefined) {
    needs.push([defaultMemoryMib, `the default, ${noLimit(memoryBytes, from)}`]);
    if (pod?.reservedBytes !== undefined) needs.push(withOverhead(pod.reservedBytes, 'requests of', GROUP));
  }
  if (memoryBytes !== undefined) needs.push(withOverhead(memoryBytes, 'limit', from));
  // The group's limit includes QEMU: the VM must not be larger.
  else if (pod?.memoryBytes !== undefined)
    needs.push([Math.ceil(pod.memoryBytes / mib), `limit of ${GROUP}`]);
  return needs;
}

const GROUP = "the pod's control group";

function noLimit(told: number | undefined, from: string): string {
  return told === undefined
    ? `no limit in ${from}`
    : `a container of the pod has no limit: ${GROUP} has none`;
}

/** What one container may use; undefined means no limit. */
export interface ContainerLimits {
  readonly cpus: number | undefined;
  readonly memoryBytes: number | undefined;
}

/** The limits in a spec or an update. @param before the limits that stay when `resources` does not name them. */
export function limitsOf(resources: Resources | undefined, before?: ContainerLimits): ContainerLimits {
  const { cpu, memory } = resources ?? {};
  const quota = cpu?.quota ?? undefined;
  const limit = memory?.limit ?? undefined;
  return {
    cpus: quota === undefined ? before?.cpus : cpuLimit(toNumber(quota), toNumber(cpu?.period)),
    memoryBytes: limit === undefined ? before?.memoryBytes : memoryLimit(toNumber(limit)),
  };
}

/** The smallest size with which all of these containers can use their limits. */
export function sizeFor(
  containers: readonly ContainerLimits[],
  {
    overheadVcpus,
    overheadMemoryMib,
    cpus,
  }: Omit<SizingConfig, 'defaultVcpus' | 'defaultMemoryMib'> & { readonly cpus: number },
): Pick<VmSize, 'vcpus' | 'memoryMib'> {
  const sum = (values: readonly (number | undefined)[]) =>
    values.reduce<number>((all, one) => all + (one ?? 0), 0);
  const vcpus = Math.ceil(overheadVcpus + sum(containers.map((one) => one.cpus)));
  const bytes = sum(containers.map(({ memoryBytes }) => memoryBytes));
  return { vcpus: Math.min(vcpus, cpus), memoryMib: overheadMemoryMib + Math.ceil(bytes / mib) };
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

/** containerd annotates a sandbox with the limits of its whole pod. */
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

/** CRI-O does so with one JSON object that has CRI's field names. */
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

function hugepageMib(spec: Spec): number {
  const limits = spec.linux?.resources?.hugepageLimits ?? [];
  const bytes = limits.reduce((sum, { limit }) => sum + (memoryLimit(toNumber(limit)) ?? 0), 0);
  return Math.ceil(bytes / mib);
}

/** A number from a field or an annotation; anything else counts as 0, "not set". */
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
