/** Whether this host can run VMs with KVM, and which accelerator a configuration results in. */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';

export interface AcceleratorChoice {
  readonly accelerator: 'kvm' | 'tcg';
  /** Why, for the log and for `bulkhead check`. */
  readonly reason: string;
}

export interface KvmFacts {
  /** Why `/dev/kvm` cannot be opened read-write; undefined when it can. */
  readonly deviceError: string | undefined;
  /** Whether the CPU shows vmx or svm; true on architectures that need no flag. */
  readonly cpuFlag: boolean;
}

/** Whether /proc/cpuinfo shows hardware virtualization, going by the first CPU's flags. */
export function hasVirtualizationFlag(cpuinfo: string, arch: string): boolean {
  if (arch !== 'x64' && arch !== 'ia32') return true;
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(' ') ?? [];
  return flags.includes('vmx') || flags.includes('svm');
}

/** Examines `/dev/kvm` and the CPU. */
export function kvmFacts(): KvmFacts {
  let deviceError: string | undefined;
  try {
    closeSync(openSync('/dev/kvm', constants.O_RDWR));
  } catch (error) {
    deviceError = (error as Error).message;
  }
  let cpuinfo = '';
  try {
    cpuinfo = readFileSync('/proc/cpuinfo', 'utf8');
  } catch {
    // unreadable: counts as no flag
  }
  return { deviceError, cpuFlag: hasVirtualizationFlag(cpuinfo, process.arch) };
}

/** `auto` takes KVM only when both the device and the CPU support it: the device node alone may not work. */
export function chooseAccelerator(wanted: 'auto' | 'kvm' | 'tcg', facts: KvmFacts): AcceleratorChoice {
  if (wanted !== 'auto') return { accelerator: wanted, reason: `configured: ${wanted}` };
  if (facts.deviceError !== undefined) return { accelerator: 'tcg', reason: `no KVM: ${facts.deviceError}` };
  if (!facts.cpuFlag) return { accelerator: 'tcg', reason: 'no KVM: the CPU shows neither vmx nor svm' };
  return { accelerator: 'kvm', reason: '/dev/kvm opens and the CPU has hardware virtualization' };
}
