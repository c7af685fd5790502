/** `-info` (containerd 2.x): what this runtime is, as a containerd.types.RuntimeInfo. */
import { RuntimeInfo } from '../gen/runtimeinfo.ts';
import { RAW_MOUNT_TYPES } from '../sandbox/root/guest-stack.ts';
import { VERSION } from './version.ts';

/** typeurl of the OCI runtime spec's features.json. */
const FEATURES_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/features/Features';

/** What a manager may ask of this runtime; containerd's CRI reads it for runc only up to 2.1. */
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
    // containerd refuses mounts with mapped owners without it.
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
    // What containerd's mount manager leaves to us (2.2 and later), instead of mounting it on the host.
    annotations: new Map([['containerd.io/runtime-allow-mounts', RAW_MOUNT_TYPES.join(',')]]),
    features: { typeUrl: FEATURES_TYPE, value: Buffer.from(JSON.stringify(features)) },
  });
}
