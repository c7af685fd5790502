/** Checks a VM spec and its files before anything starts, so that errors name the path, the key and the fix. */
import { accessSync, closeSync, constants, openSync, readSync, type Stats, statSync } from 'node:fs';
import { hostCapacity } from '../host/capacity.ts';
import { type AcceleratorChoice, chooseAccelerator, kvmFacts } from '../host/kvm.ts';
import { VmError, type VmSpec } from './hypervisor.ts';

const MIN_MEMORY_MIB = 64;
const MAX_VCPUS = 128;

function fail(what: string, hint: string, cause?: unknown): never {
  throw new VmError('check', what, { hint, cause });
}

function statOf(what: string, path: string, hint: string): Stats {
  try {
    return statSync(path);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return fail(
      missing ? `${what} ${path} does not exist` : `${what} ${path}: ${(error as Error).message}`,
      hint,
      error,
    );
  }
}

/** The jail has no interpreter for a script. */
function checkBinary(what: string, path: string, hint: string): void {
  if (readHead(what, path, hint).subarray(0, 2).toString('latin1') === '#!') {
    fail(
      `${what} ${path} is a script, and there is no interpreter where it runs`,
      `${hint} (of the program itself)`,
    );
  }
}

/** @throws VmError unless the path is an executable file. */
export function checkProgram(what: string, path: string, hint: string): void {
  if (!statOf(what, path, hint).isFile()) fail(`${what} ${path} is not a file`, hint);
  try {
    accessSync(path, constants.X_OK);
  } catch (error) {
    fail(`${what} ${path} is not executable`, hint, error);
  }
  checkBinary(what, path, hint);
}

const BZIMAGE_MAGIC_OFFSET = 0x202;
const HEAD_BYTES = BZIMAGE_MAGIC_OFFSET + 4;

function readHead(what: string, path: string, hint: string): Buffer {
  try {
    const fd = openSync(path, 'r');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      return head.subarray(0, readSync(fd, head, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    return fail(`cannot read ${what} ${path}: ${(error as Error).message}`, hint, error);
  }
}

/** Whether a file begins like a kernel that QEMU can load: an ELF file or a bzImage. */
export function isKernel(head: Buffer): boolean {
  if (head.subarray(0, 4).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46]))) return true;
  return head.subarray(BZIMAGE_MAGIC_OFFSET, BZIMAGE_MAGIC_OFFSET + 4).toString('latin1') === 'HdrS';
}

/**
 * @param uid the user that will read it.
 * @throws VmError unless the path is a kernel.
 */
export function checkKernel(path: string, uid: number): void {
  const hint = "build it with 'make guest' or set vm.kernel in the configuration";
  const stat = statOf('the guest kernel', path, hint);
  if (!stat.isFile()) fail(`the guest kernel ${path} is not a file`, hint);
  if (uid !== 0 && (stat.mode & 0o004) === 0) {
    const way = `chmod o+r ${path}, or set vm.user to "root" in the configuration`;
    fail(`the guest kernel ${path} cannot be read by the user of the VM`, way);
  }
  const head = readHead('the guest kernel', path, hint);
  if (head.length === 0) fail(`the guest kernel ${path} is empty`, hint);
  if (!isKernel(head)) fail(`the guest kernel ${path} is neither an ELF file nor a bzImage`, hint);
}

const SECTOR = 512;

/** @throws VmError unless the path can be the guest's root disk. */
export function checkImage(path: string): void {
  const hint = "build it with 'make guest' or set vm.image in the configuration";
  const stat = statOf('the guest image', path, hint);
  if (stat.isBlockDevice()) return;
  if (!stat.isFile()) fail(`the guest image ${path} is neither a file nor a block device`, hint);
  if (stat.size === 0) fail(`the guest image ${path} is empty`, hint);
  if (stat.size < SECTOR) fail(`the guest image ${path} has only ${stat.size} bytes`, hint);
}

function checkSizes(spec: VmSpec): void {
  const host = hostCapacity();
  const { vcpus, memoryMib } = spec;
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > MAX_VCPUS) {
    fail(`${vcpus} vCPUs is no size for a VM`, `it must be a whole number from 1 to ${MAX_VCPUS}`);
  }
  if (!Number.isInteger(memoryMib) || memoryMib < MIN_MEMORY_MIB) {
    fail(`${memoryMib} MiB is too little memory for a VM`, `it needs at least ${MIN_MEMORY_MIB} MiB`);
  }
  if (memoryMib > host.memoryMib) {
    const hint = "lower the container's memory limit or vm.default_memory_mib";
    fail(`the VM would need ${memoryMib} MiB of memory, this host has ${host.memoryMib} MiB`, hint);
  }
}

/** @throws VmError when KVM is forced but not available. */
export function checkAccelerator(wanted: VmSpec['accelerator']): AcceleratorChoice {
  const facts = kvmFacts();
  const choice = chooseAccelerator(wanted, facts);
  if (choice.accelerator === 'kvm' && facts.deviceError !== undefined) {
    fail(
      `vm.accelerator is kvm, but ${facts.deviceError}`,
      "load the kvm module, or set vm.accelerator to 'auto'",
    );
  }
  return choice;
}

/**
 * Checks everything that can be checked without starting a process (takes some 100 microseconds).
 * @returns the accelerator to use.
 * @throws VmError of stage 'check'.
 */
export function checkSpec(spec: VmSpec): AcceleratorChoice {
  if (/\p{Cc}/u.test(spec.kernelParams)) {
    fail('the kernel parameters hold control characters', 'correct vm.kernel_params in the configuration');
  }
  checkSizes(spec);
  if (!statOf("the VM's folder", spec.dir, 'nothing else may remove the state of a sandbox').isDirectory()) {
    fail(
      `the VM's folder ${spec.dir} is not a folder`,
      'nothing else may put files into the state of a sandbox',
    );
  }
  const install = 'install it (apt-get install qemu-system-x86) or set';
  checkProgram('the hypervisor', spec.hypervisorPath, `${install} vm.path in the configuration`);
  checkKernel(spec.kernel, spec.uid);
  checkImage(spec.image);
  if (spec.shared) {
    checkProgram(
      'the file system daemon',
      spec.shared.program,
      "run 'make build', or install bulkhead again",
    );
  }
  return checkAccelerator(spec.accelerator);
}
