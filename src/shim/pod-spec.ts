// The spec of the stand-in for a pause container, from the sandbox API's description of the pod. Pure.
import { ShimError } from '../base/errors.ts';
import {
  type IDMapping,
  NamespaceMode,
  type PodSandboxConfig,
  type UserNamespace,
} from '../gen/pod-sandbox.ts';
import type { Linux, Namespace, Spec } from '../oci/spec.ts';

/** Where the stand-in's root is in the guest's image; see guest/image/build.sh. */
export const GUEST_PAUSE_ROOT = '/usr/lib/pause';

/** The pod's limits: names of containerd's CRI annotations (io.kubernetes.cri.sandbox-*) and of the API's fields. */
const LIMITS = {
  'cpu-period': 'cpuPeriod',
  'cpu-quota': 'cpuQuota',
  'cpu-shares': 'cpuShares',
  memory: 'memoryLimitInBytes',
} as const;

/** @param network undefined: the host's. */
export function podSpec(id: string, pod: PodSandboxConfig, network: Namespace | undefined): Spec {
  const { linux } = pod;
  const own = ['pid', 'ipc', 'uts', 'mount'].map((type) => ({ type }));
  const user = userNamespace(linux?.securityContext?.namespaceOptions?.usernsOptions);
  const sysctl = Object.fromEntries(linux?.sysctls ?? []);
  return {
    ociVersion: '1.0.2',
    process: { args: ['/pause'], cwd: '/', user: { uid: 65535, gid: 65535 }, noNewPrivileges: true },
    root: { path: GUEST_PAUSE_ROOT, readonly: true },
    ...(pod.hostname === '' ? {} : { hostname: pod.hostname }),
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=64k'] },
      { destination: '/dev/shm', type: 'tmpfs', source: 'shm' },
      { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
    ],
    annotations: { ...Object.fromEntries(pod.annotations), ...limits(pod) },
    linux: {
      namespaces: [
        ...(network === undefined ? [] : [network]),
        ...own,
        ...(user === undefined ? [] : [{ type: 'user' }]),
      ],
      ...user,
      cgroupsPath: cgroupsPath(linux?.cgroupParent ?? '', id),
      ...{ sysctl },
    },
  };
}

/**
 * The ids of a pod with a user namespace; undefined for one without.
 * @throws ShimError on one that a pod cannot have: what is asked to be fenced in must not run without.
 */
function userNamespace(
  options: UserNamespace | undefined,
): Pick<Linux, 'uidMappings' | 'gidMappings'> | undefined {
  if (options === undefined || options.mode === NamespaceMode.NODE) return undefined;
  if (options.mode !== NamespaceMode.POD) throw refusal("mode is neither the pod's (POD) nor none (NODE)");
  return { uidMappings: range('user', options.uids), gidMappings: range('group', options.gids) };
}

/** One range that begins with root, as the kubelet gives and containerd asks without the sandbox API. */
function range(kind: string, mappings: readonly IDMapping[]): NonNullable<Linux['uidMappings']> {
  const [first] = mappings;
  if (first === undefined || mappings.length > 1)
    throw refusal(`${mappings.length} ranges of ${kind} ids, one is needed`);
  const { containerId, hostId, length } = first;
  if (containerId !== 0) throw refusal(`${kind} ids begin with ${containerId}, 0 is not mapped`);
  return [{ containerID: containerId, hostID: hostId, size: length }];
}

const refusal = (why: string): ShimError =>
  new ShimError('invalid-argument', `user namespace of the pod: ${why}`);

function limits(pod: PodSandboxConfig): Record<string, string> {
  const resources = pod.linux?.resources;
  if (resources === undefined) return {};
  return Object.fromEntries(
    Object.entries(LIMITS).map(([key, field]) => [
      `io.kubernetes.cri.sandbox-${key}`,
      String(resources[field]),
    ]),
  );
}

/** In the syntax of the cgroup driver that the parent's name belongs to. */
function cgroupsPath(parent: string, id: string): string {
  if (parent === '') return '';
  return parent.endsWith('.slice') ? `${parent.split('/').at(-1)}:cri-containerd:${id}` : `${parent}/${id}`;
}
