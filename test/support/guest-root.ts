// A container that is root of its guest: every capability, every device, all of /proc/sys; and programs that it runs
// outside of itself, in the guest's own namespaces, as its core dump handler.
import { join } from 'node:path';
import { mustRun } from './command.ts';
import type { FakeContainerd, Shim } from './fake-containerd.ts';
import { repoRoot } from './paths.ts';
import { containerSpec, processSpec, type Spec } from './spec.ts';

const allCapabilities = (
  'CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE ' +
  'NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN ' +
  'SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE ' +
  'MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE'
)
  .split(' ')
  .map((name) => `CAP_${name}`);

const capabilities = {
  bounding: allCapabilities,
  effective: allCapabilities,
  permitted: allCapabilities,
  inheritable: [],
  ambient: [],
};

/** A process in such a container. */
export function rootProcess(script: string) {
  return processSpec(['sh', '-c', script], { capabilities, noNewPrivileges: false });
}

/** A container that sleeps, and may all that root of its guest may. */
export function rootSpec(cgroupsPath: string): Spec {
  const spec = containerSpec(['sleep', '100000'], cgroupsPath, { capabilities, noNewPrivileges: false });
  spec.linux.maskedPaths = [];
  spec.linux.readonlyPaths = [];
  spec.linux.resources = { devices: [{ allow: true, access: 'rwm' }], memory: { limit: 64 << 20 } };
  spec.mounts = spec.mounts.map((mount) =>
    mount.destination === '/sys' ? { ...mount, options: ['nosuid', 'nodev'] } : mount,
  );
  return spec;
}

/** Adds the attacker's program to the image, as /guest-root. */
export async function addGuestRoot(fake: FakeContainerd): Promise<void> {
  const source = join(repoRoot, 'test/support/guest-root.c');
  await mustRun('gcc', ['-O1', '-static', '-Wall', '-o', join(fake.dir, 'image', 'guest-root'), source]);
}

/** A script that has the program run outside of the container. @param what its argument. */
export function outside(shim: Shim, what: string): string {
  const program = `/run/kata-containers/shared/containers/${shim.id}/rootfs/guest-root`;
  return `echo '|${program} ${what}' > /proc/sys/kernel/core_pattern; ulimit -c unlimited; sh -c 'kill -SEGV $$' & wait; true`;
}
