/** `-info` (containerd 2.x): what this runtime is, as a containerd.types.RuntimeInfo. */
import { RuntimeInfo } from '../gen/runtimeinfo.ts';
import { RAW_MOUNT_TYPES } from '../sandbox/root/guest-stack.ts';
import { VERSION } from './version.ts';

/** Type URL of the OCI runtime spec's features.json. */
const FEATURES_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/features/Features';

/** What a manager may ask of this runtime. Up to 2.1, containerd's CRI reads it for runc only. */
const features = {
  ociVersionMin: '1.0.0',
  ociVersionMax: '1.2.0',
  hooks: ['prestart', 'createRuntime', 'poststart', 'poststop'],
  mountOptions: [
    ...[
      'ro',
      'rw',
      'rro',
      'bind',
      'rbind',
      'nosuid',
      'suid',
      'nodev',
      'dev',
      'noexec',
      'exec',
      'noatime',
      'atime',
    ],
    ...[
      'nodiratime',
      'diratime',
      'relatime',
      'norelatime',
      'strictatime',
      'sync',
      'async',
      'private',
      'rprivate',
    ],
    ...['slave', 'rslave', 'unbindable', 'runbindable', 'idmap'],
  ],
  linux: {
    namespaces: ['cgroup', 'ipc', 'mount', 'network', 'pid', 'user', 'uts'],
    // Without this containerd refuses mounts with mapped owners.
    mountExtensions: { idmap: { enabled: true } },
    cgroup: { v1: false, v2: true, systemd: false, systemdUser: false },
    seccomp: { enabled: true },
    apparmor: { enabled: false },
    selinux: { enabled: false },
    intelRdt: { enabled: false },
  },
};

/** @returns the encoded RuntimeInfo for stdout. */
export function runtimeInfo(): Uint8Array {
  return RuntimeInfo.encode({
    name: 'io.containerd.bulkhead.v2',
    version: { version: VERSION, revision: '' },
    // Mount types that containerd's mount manager (2.2 and later) leaves to us instead of mounting them on the host.
    annotations: new Map([['containerd.io/runtime-allow-mounts', RAW_MOUNT_TYPES.join(',')]]),
    features: { typeUrl: FEATURES_TYPE, value: Buffer.from(JSON.stringify(features)) },
  });
}
