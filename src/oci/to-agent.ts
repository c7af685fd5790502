// Turns the spec that containerd wrote for this host into one that holds in the guest. Pure.
import type {
  Cpu,
  Device,
  Linux,
  Memory,
  Mount,
  Namespace,
  Process,
  Resources,
  RunnableSpec,
} from './spec.ts';

/** What the guest's spec needs besides the host's. */
export interface GuestPlan {
  readonly containerId: string;
  /** Root file system, as a path in the guest. */
  readonly rootfs: string;
  /** Paths of those devices in the spec that the VM gets as disks. */
  readonly diskPaths?: ReadonlySet<string>;
  /** The container whose pid namespace it joins; otherwise its own or, if the request says so, the sandbox's. */
  readonly pidTarget?: string;
  /** Position in the spec's mounts -> what the guest mounts in its place. Others stay as they are. */
  readonly mounts: ReadonlyMap<number, readonly Mount[]>;
}

export interface GuestSpec {
  readonly spec: RunnableSpec;
  /** What was left out and why, for the log. */
  readonly notes: readonly string[];
}

type Notes = string[];

/** Accepted by every crun since 1.0; later minor versions only added fields. */
const GUEST_OCI_VERSION = '1.0.2';

/** Namespaces that are created in the guest when the spec names them; pid and cgroup always are. */
const keptNamespaces = new Set(['ipc', 'uts', 'mount', 'user']);

/** Raw cgroup v2 keys that mean the same in the guest: no devices, CPU numbers or NUMA nodes of the host. */
const keptUnified = new Set([
  'cpu.max',
  'cpu.max.burst',
  'cpu.weight',
  'cpu.idle',
  'memory.high',
  'memory.low',
  'memory.min',
  'memory.max',
  'memory.oom.group',
  'pids.max',
]);

/** Device nodes that mean the same in any Linux guest, as major:minor. */
const guestCharDevices = new Set([
  '1:3', // null
  '1:5', // zero
  '1:7', // full
  '1:8', // random
  '1:9', // urandom
  '5:0', // tty
  '5:1', // console
  '5:2', // ptmx
  '10:200', // net/tun
  '10:229', // fuse
]);

/** Converts a spec; fields that are not mentioned here reach the guest unchanged. */
export function toGuestSpec(spec: RunnableSpec, plan: GuestPlan): GuestSpec {
  const notes: Notes = [];
  const { hooks, mounts = [], linux, annotations, ...rest } = spec;
  const inner = ['createContainer', 'startContainer'].filter((name) => (hooks?.[name]?.length ?? 0) > 0);
  if (inner.length > 0) notes.push(`hooks that run inside of the container: ${inner.join(', ')} left out`);
  const guestLinux = toGuestLinux(linux ?? {}, plan, notes);
  const hasUts = guestLinux.namespaces?.some((namespace) => namespace.type === 'uts') === true;
  const guest: RunnableSpec = {
    ...rest,
    // containerd writes the version that its own library knows; the guest's crun may be older and refuse that.
    ociVersion: GUEST_OCI_VERSION,
    process: toGuestProcess(spec.process),
    root: { ...spec.root, path: plan.rootfs },
    mounts: mounts.flatMap((mount, index) => plan.mounts.get(index) ?? mount),
    linux: guestLinux,
  };
  if (annotations !== undefined)
    Object.assign(guest, { annotations: toGuestAnnotations(annotations, notes) });
  // Without its own uts namespace the container has the guest's host name, which is the sandbox's.
  return { spec: hasUts ? guest : without(guest, ['hostname', 'domainname']), notes };
}

/** Converts the process of a container or an exec: labels of the host's security modules mean nothing in the guest. */
export function toGuestProcess(process: Process): Process {
  return without(process, ['apparmorProfile', 'selinuxLabel', 'execCPUAffinity']);
}

/** Converts the resources of a spec or an Update request to what the guest can enforce. */
export function toGuestResources(resources: Resources, notes: string[] = []): Resources {
  const { cpu, memory, hugepageLimits, unified, ...rest } = resources;
  const dropped = ['blockIO', 'network', 'rdma', 'intelRdt'].filter((key) => key in rest);
  if (dropped.length > 0) notes.push(`resources ${dropped.join(', ')} name devices of the host: left out`);
  const guest: Record<string, unknown> = without(rest, ['blockIO', 'network', 'rdma', 'intelRdt']);
  if (cpu !== undefined) guest.cpu = toGuestCpu(cpu, notes);
  if (memory !== undefined) guest.memory = toGuestMemory(memory);
  // The kubelet writes a limit of 0 for each page size of the host; the guest has huge pages only on request.
  const pages = (hugepageLimits ?? []).filter(({ limit }) => Number(limit) > 0);
  if (pages.length > 0) guest.hugepageLimits = pages;
  if (unified !== undefined) guest.unified = toGuestUnified(unified, notes);
  return guest as Resources;
}

function toGuestLinux(linux: Linux, plan: GuestPlan, notes: Notes): Linux {
  const dropped = ['intelRdt', 'mountLabel', 'timeOffsets', 'memoryPolicy', 'netDevices'];
  const { namespaces = [], resources, devices, seccomp, ...rest } = without(linux, dropped);
  const guest: Record<string, unknown> = {
    ...rest,
    namespaces: toGuestNamespaces(namespaces, plan.pidTarget),
    cgroupsPath: `/${plan.containerId}`,
    devices: toGuestDevices(devices ?? [], plan.diskPaths, notes),
  };
  if (resources !== undefined) guest.resources = toGuestResources(resources, notes);
  if (seccomp !== undefined) guest.seccomp = without(seccomp, ['listenerPath', 'listenerMetadata']);
  return guest as Linux;
}

/** No container gets the guest's own pid namespace: the agent is process 1 there. */
function toGuestNamespaces(namespaces: readonly Namespace[], pidTarget: string | undefined): Namespace[] {
  const types = new Set(namespaces.map((namespace) => namespace.type));
  const kept = [...types].filter((type) => keptNamespaces.has(type));
  // A path in the agent's own form, because only the agent knows the guest's pids.
  const pid = pidTarget === undefined ? { type: 'pid' } : { type: 'pid', path: `container:${pidTarget}` };
  return [pid, ...['cgroup', ...kept].map((type) => ({ type }))];
}

function toGuestCpu(cpu: Cpu, notes: Notes): Cpu {
  if (cpu.cpus || cpu.mems) notes.push('cpuset names CPUs of the host: left out');
  return without(cpu, ['cpus', 'mems', 'realtimeRuntime', 'realtimePeriod']);
}

/** The guest has no swap and only cgroup v2, where the other memory settings are errors. */
function toGuestMemory(memory: Memory): Memory {
  return without(memory, ['swap', 'swappiness', 'kernel', 'kernelTCP', 'disableOOMKiller', 'useHierarchy']);
}

function toGuestUnified(unified: Readonly<Record<string, string>>, notes: Notes): Record<string, string> {
  const entries = Object.entries(unified);
  const kept = entries.filter(([key]) => keptUnified.has(key));
  const dropped = entries.filter(([key]) => !keptUnified.has(key)).map(([key]) => key);
  if (dropped.length > 0) notes.push(`cgroup keys that mean nothing in the guest: ${dropped.join(', ')}`);
  return Object.fromEntries(kept);
}

function toGuestDevices(
  devices: readonly Device[],
  disks: ReadonlySet<string> | undefined,
  notes: Notes,
): Device[] {
  const isGuests = ({ path, type, major, minor }: Device) =>
    type === 'p' ||
    (type === 'b' && disks?.has(path) === true) ||
    ((type === 'c' || type === 'u') && guestCharDevices.has(`${major}:${minor}`));
  const dropped = devices.filter((device) => !isGuests(device));
  if (dropped.length > 0) {
    const some = dropped.slice(0, 5).map((device) => device.path);
    notes.push(
      `${dropped.length} devices of the host are not in the guest: ${some.join(', ')}${dropped.length > 5 ? ', ...' : ''}`,
    );
  }
  return devices.filter(isGuests);
}

/** Annotations that control crun itself are not for a pod to set. */
function toGuestAnnotations(
  annotations: Readonly<Record<string, string>>,
  notes: Notes,
): Record<string, string> {
  const entries = Object.entries(annotations);
  const kept = entries.filter(([key]) => !key.startsWith('run.oci.') && !key.startsWith('org.criu.'));
  if (kept.length < entries.length) notes.push('annotations run.oci.* and org.criu.* are left out');
  return Object.fromEntries(kept);
}

function without<T extends object>(value: T, keys: readonly string[]): T {
  return Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key))) as T;
}
