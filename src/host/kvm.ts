/** Whether this host can accelerate VMs with KVM, and which accelerator a configuration means. */
import { closeSync, constants, openSync, readFileSync } from 'node:fs';

export interface AcceleratorChoice {
  readonly accelerator: 'kvm' | 'tcg';
  /** Why, for the log and for `bulkhead check`. */
  readonly reason: string;
}

export interface KvmFacts {
  /** Undefined: `/dev/kvm` opens read-write; else why it does not. */
  readonly deviceError: string | undefined;
  /** Whether the CPU shows vmx or svm; true on architectures that need no flag. */
  readonly cpuFlag: boolean;
}

/** Whether the text of /proc/cpuinfo shows hardware virtualization, by the first CPU's flags. */
export function hasVirtualizationFlag(cpuinfo: string, arch: string): boolean {
  if (arch !== 'x64' && arch !== 'ia32') return true;
  const flags = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1]?.split(' ') ?? [];
  return flags.includes('vmx') || flags.includes('svm');
}

/** Looks at `/dev/kvm` and the CPU. */
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
    // shows no flag then
  }
  return { deviceError, cpuFlag: hasVirtualizationFlag(cpuinfo, process.arch) };
}

/** `auto` takes KVM only when both the device and the CPU can: a device node alone may be a dead one. */
export function chooseAccelerator(wanted: 'auto' | 'kvm' | 'tcg', facts: KvmFacts): AcceleratorChoice {
  if (wanted !== 'auto') return { accelerator: wanted, reason: `configured: ${wanted}` };
  if (facts.deviceError !== undefined) return { accelerator: 'tcg', reason: `no KVM: ${facts.deviceError}` };
  if (!facts.cpuFlag) return { accelerator: 'tcg', reason: 'no KVM: the CPU shows neither vmx nor svm' };
  return { accelerator: 'kvm', reason: '/dev/kvm opens and the CPU has hardware virtualization' };
}
