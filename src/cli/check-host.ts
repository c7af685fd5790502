// Checks of the host itself: acceleration, memory, devices, tools, cgroups, folders.

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { messageOf } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { findInPath } from '../config/locate.ts';
import { hostCapacity } from '../host/capacity.ts';
import { type Hierarchy, readHierarchies } from '../host/cgroup.ts';
import { chooseAccelerator, kvmFacts } from '../host/kvm.ts';
import { stateRoot } from '../sandbox/state.ts';
import type { Finding } from './finding.ts';

/** Programs that the shim runs, and the Debian package of each. */
const TOOLS: readonly [string, string][] = [
  ['nsenter', 'util-linux'],
  ['ip', 'iproute2'],
  ['ss', 'iproute2'],
  ['tc', 'iproute2'],
];
const NODE_MIN = 24;
/** For mount_setattr(2) and the other calls that mounts and the jail need. */
const KERNEL_MIN = [5, 12] as const;

export function checkKernel(release = os.release()): Finding {
  const name = 'host kernel';
  const [major = 0, minor = 0] = release.split('.').map((part) => Number.parseInt(part, 10));
  const isEnough = major > KERNEL_MIN[0] || (major === KERNEL_MIN[0] && minor >= KERNEL_MIN[1]);
  if (isEnough) return { name, status: 'ok', text: `Linux ${release}` };
  const text = `Linux ${release} is older than ${KERNEL_MIN.join('.')}`;
  return { name, status: 'fail', text, fix: 'run a newer kernel' };
}

export function checkKvm(config: Config): Finding {
  const name = 'accelerator';
  const facts = kvmFacts();
  const { accelerator, reason } = chooseAccelerator(config.vm.accelerator, facts);
  const isUsable = facts.deviceError === undefined && facts.cpuFlag;
  if (accelerator === 'kvm') {
    if (isUsable) return { name, status: 'ok', text: `KVM (${reason})` };
    const text = `KVM is configured, but ${facts.deviceError ?? 'the CPU shows neither vmx nor svm'}`;
    return { name, status: 'fail', text, fix: 'set vm.accelerator to "auto", or load kvm_intel or kvm_amd' };
  }
  if (config.vm.accelerator === 'tcg' && isUsable) {
    return {
      name,
      status: 'warn',
      text: 'TCG is configured although KVM works',
      fix: 'set vm.accelerator to "auto"',
    };
  }
  const fix =
    facts.deviceError === undefined || !facts.cpuFlag
      ? "VMs are emulated, which is slow: enable virtualization in the firmware, or nested virtualization on this VM's host"
      : 'VMs are emulated, which is slow: load kvm_intel or kvm_amd, and make sure that root can open /dev/kvm';
  return { name, status: 'warn', text: `TCG (${reason})`, fix };
}

export function checkMemory(config: Config): Finding {
  const name = 'memory';
  const { memoryMib, cpus } = hostCapacity();
  const wanted = config.vm.defaultMemoryMib;
  const text = `${memoryMib} MiB and ${cpus} CPUs; a VM without limits gets ${wanted} MiB and ${config.vm.defaultVcpus}`;
  if (wanted > memoryMib) return { name, status: 'fail', text, fix: 'lower vm.default_memory_mib' };
  if (wanted * 4 > memoryMib)
    return { name, status: 'warn', text, fix: 'few such VMs fit: lower vm.default_memory_mib' };
  return { name, status: 'ok', text };
}

export function checkTools(): Finding {
  const name = 'host tools';
  const missing = TOOLS.filter(([tool]) => findInPath(tool) === undefined);
  if (missing.length === 0) return { name, status: 'ok', text: TOOLS.map(([tool]) => tool).join(', ') };
  const packages = [...new Set(missing.map(([, pkg]) => pkg))].join(' ');
  return {
    name,
    status: 'fail',
    text: `missing: ${missing.map(([tool]) => tool).join(', ')}`,
    fix: `apt-get install ${packages}`,
  };
}

function canOpen(device: string): string | undefined {
  try {
    fs.closeSync(fs.openSync(device, fs.constants.O_RDWR | fs.constants.O_NONBLOCK));
    return undefined;
  } catch (error) {
    return messageOf(error).split(', ')[0];
  }
}

export function checkTun(): Finding {
  const problem = canOpen('/dev/net/tun');
  if (problem === undefined) return { name: 'network device', status: 'ok', text: '/dev/net/tun' };
  return {
    name: 'network device',
    status: 'warn',
    text: `/dev/net/tun: ${problem}`,
    fix: 'modprobe tun; without it VMs have no network',
  };
}

/** For information only, as the agent is reached over a serial port. */
export function checkVsock(): Finding {
  const problem = canOpen('/dev/vhost-vsock');
  const text =
    problem === undefined
      ? '/dev/vhost-vsock (not needed)'
      : 'no /dev/vhost-vsock, which is not needed: the agent is reached over a serial port';
  return { name: 'vsock', status: 'ok', text };
}

/** The controllers that limit a VM's processes. */
const LIMITING = ['memory', 'cpu', 'pids', 'devices'];

export function checkCgroups(hierarchies: readonly Hierarchy[] = readHierarchies()): Finding {
  const name = 'cgroups';
  const fix = 'mount the cgroup hierarchies below /sys/fs/cgroup';
  if (hierarchies.length === 0) return { name, status: 'fail', text: 'none below /sys/fs/cgroup', fix };
  const there = new Set(hierarchies.flatMap(controllersOf));
  const missing = LIMITING.filter((controller) => !there.has(controller));
  const version = hierarchies.every((one) => one.version === 2) ? 2 : 1;
  if (missing.length === 0)
    return { name, status: 'ok', text: `version ${version}, with ${LIMITING.join(', ')}` };
  const text = `version ${version} without ${missing.join(', ')}: VMs are not limited in those`;
  return { name, status: 'warn', text, fix: `${fix}, or enable the controllers in the kernel` };
}

/** Version 2 has no devices controller; BPF programs do that in any group. */
function controllersOf({ mountPoint, version, controllers }: Hierarchy): string[] {
  if (version === 1) return controllers.split(',');
  try {
    const listed = fs.readFileSync(path.join(mountPoint, 'cgroup.controllers'), 'utf8');
    return [...listed.trim().split(' '), 'devices'];
  } catch {
    return [];
  }
}

export function checkState(): Finding {
  const name = 'state folder';
  const root = stateRoot();
  let dir = root;
  while (!fs.existsSync(dir) && dir !== '/') dir = path.dirname(dir);
  try {
    fs.accessSync(dir, fs.constants.W_OK);
    return { name, status: 'ok', text: dir === root ? root : `${root} (created when needed)` };
  } catch {
    const fix = process.getuid?.() === 0 ? `make ${dir} writable` : 'run this as root, as containerd does';
    return { name, status: 'fail', text: `${dir} cannot be written`, fix };
  }
}

export function checkNode(): Finding {
  const name = 'node';
  const text = `${process.version}, ${process.execPath}`;
  if (Number(process.versions.node.split('.')[0]) >= NODE_MIN) return { name, status: 'ok', text };
  return {
    name,
    status: 'fail',
    text,
    fix: `run the installed command, which comes with Node ${NODE_MIN}`,
  };
}
