// Which runtime the tests use: ours, or runc's shim as the reference for what containerd expects.
import { accessSync, constants, readFileSync } from 'node:fs';
import { basename, delimiter, join } from 'node:path';
import { buildBin } from './paths.ts';

/** containerd's name of our runtime. */
export const bulkheadRuntime = 'io.containerd.bulkhead.v2';
/** containerd's name of the reference. */
export const runcRuntime = 'io.containerd.runc.v2';

export interface Runtime {
  /** Runtime type, as containerd expects it. */
  readonly name: string;
  /** The shim binary's name. */
  readonly binary: string;
  /** True when containers run in a VM: another kernel, the VMM's pids, the guest's sizes. */
  readonly isVm: boolean;
}

/** A runtime by its containerd name, from which the binary's name is derived as containerd does. */
export function runtimeOf(name: string): Runtime {
  const [group, version] = name.split('.').slice(-2);
  return { name, binary: `containerd-shim-${group}-${version}`, isVm: name !== runcRuntime };
}

/** The runtime that this run tests: `BULKHEAD_TEST_RUNTIME`, by default ours. */
export const runtime: Runtime = runtimeOf(process.env.BULKHEAD_TEST_RUNTIME ?? bulkheadRuntime);

/** PATH with our build first, then `before`, then the machine's. */
export function searchPath(...before: string[]): string {
  return [buildBin, ...before, process.env.PATH ?? '', '/usr/sbin:/usr/bin:/sbin:/bin'].join(delimiter);
}

/** Full path of the shim. Throws with what to do when it is missing. */
export function shimPath(of: Runtime = runtime): string {
  for (const dir of searchPath().split(delimiter)) {
    const path = join(dir, of.binary);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Next folder.
    }
  }
  const fix = of.isVm ? 'make build' : 'apt-get install containerd';
  throw new Error(`${basename(of.binary)} is in no folder of ${searchPath()}: ${fix}`);
}

/** True when this machine can run VMs with KVM: the device opens and, on x86, the CPU has the flag. */
export function kvmWorks(): boolean {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
    return process.arch !== 'x64' || /^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync('/proc/cpuinfo', 'utf8'));
  } catch {
    return false;
  }
}
