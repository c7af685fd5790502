/** What a VM's processes may use of the host: the VM's own size and what its VMM needs besides. Pure. */
import type { AllowedDevice, CgroupLimits } from '../host/cgroup-limits.ts';
import { TRANSLATION_MIB } from './qemu/argv.ts';

export interface HostLimits extends Required<CgroupLimits> {
  /** One sentence each for memory and CPU time, for the operator. */
  readonly reasons: readonly string[];
  /** How many of the host's files the guest may hold. */
  readonly files: number;
}

export interface VmShape {
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly accelerator: 'kvm' | 'tcg';
  /** What the operator grants besides the VM's memory; 0: computed. */
  readonly vmmMemoryMib: number;
}

const MIB = 1024 * 1024;

/** QEMU's and bulkhead-files' own memory: 27 to 40 MiB measured (QEMU 7.2), with a reserve for hot-plugged devices. */
const PROGRAMS_MIB = 64;
/** TCG's table of translated addresses grows with the memory that a vCPU touches. */
const TCG_PROCESSOR_MIB = 32;
const KVM_PROCESSOR_MIB = 4;
/** Share of the VM's memory: two page tables, KVM's, and the page index; each takes 8 to 9 bytes per 4 KiB. */
const TABLES_SHARE = 0.02;
/** For the host's cache of the files that the guest reads and writes. */
const CACHE_MIB = 256;

/**
 * As long as the guest's kernel caches a file, it costs the host 1.9 (ext4) to 2.75 KiB (overlayfs) that cannot be
 * reclaimed, because the files daemon holds the file open. So a guest may hold this many, and is asked to forget some
 * before that.
 */
const FILES_PER_MIB = 64;
const FILES_MIN = 16_384;
const FILES_MAX = 262_144;
const FILE_KIB = 2.75;

/**
 * For QEMU's main loop and the files daemon (at most one CPU each), besides the vCPUs, so that a busy guest is not
 * throttled here: its own limit is the container's, inside the guest.
 */
const HELPER_CPUS = 2;

/** QEMU starts up to 64 threads for disks and one per container; all others are a few dozen. */
const PIDS = 1024;

const character = (major: number, minor: number): AllowedDevice => ({ type: 'c', major, minor });

/** null, zero, full, random, urandom; tun, kvm, vhost-net. */
export const VM_DEVICES: readonly AllowedDevice[] = [
  ...[3, 5, 7, 8, 9].map((minor) => character(1, minor)),
  ...[200, 232, 238].map((minor) => character(10, minor)),
];

export function planHostLimits(shape: VmShape): HostLimits {
  const { vcpus, memoryMib } = shape;
  const files = Math.min(Math.max(Math.floor(memoryMib * FILES_PER_MIB), FILES_MIN), FILES_MAX);
  const [overheadMib, why] = overheadOf(shape, files);
  const cpus = vcpus + HELPER_CPUS;
  return {
    memoryBytes: (memoryMib + overheadMib) * MIB,
    cpus,
    pids: PIDS + vcpus,
    devices: VM_DEVICES,
    files,
    reasons: [
      `${memoryMib + overheadMib} MiB of the host: the VM's ${memoryMib} plus ${overheadMib} ${why}`,
      `${cpus} CPUs of the host: the VM's ${vcpus} plus ${HELPER_CPUS} for QEMU and bulkhead-files`,
    ],
  };
}

function overheadOf(shape: VmShape, mostFiles: number): [number, string] {
  const { vcpus, memoryMib, accelerator, vmmMemoryMib } = shape;
  if (vmmMemoryMib > 0) return [vmmMemoryMib, 'as configured (vm.vmm_memory_mib)'];
  const programs =
    accelerator === 'tcg'
      ? PROGRAMS_MIB + TRANSLATION_MIB + vcpus * TCG_PROCESSOR_MIB
      : PROGRAMS_MIB + vcpus * KVM_PROCESSOR_MIB;
  const tables = Math.ceil(memoryMib * TABLES_SHARE);
  const files = Math.ceil((mostFiles * FILE_KIB) / 1024);
  return [
    programs + tables + CACHE_MIB + files,
    `(programs ${programs}, tables ${tables}, cache ${CACHE_MIB}, files that the guest holds ${files})`,
  ];
}
