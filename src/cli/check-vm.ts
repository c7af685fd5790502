// Checks of a VM's parts: hypervisor, files daemon, guest kernel and image.

import fs from 'node:fs';
import { messageOf } from '../base/errors.ts';
import type { Config } from '../config/config.ts';
import { filesProgram, findInPath } from '../config/locate.ts';
import { runCommand } from '../host/command.ts';
import { VmError } from '../vm/hypervisor.ts';
import { checkImage, checkKernel, checkProgram } from '../vm/preflight.ts';
import type { Finding } from './finding.ts';

const VERSION_LIMIT_MS = 10_000;
/** The oldest QEMU that we test, Debian 12's. */
const QEMU_MIN = 7;

function failed(name: string, error: unknown, fallbackFix: string): Finding {
  const fix = error instanceof VmError && error.hint ? error.hint : fallbackFix;
  return { name, status: 'fail', text: messageOf(error), fix };
}

function sizeText(file: string): string {
  const bytes = fs.statSync(file).size;
  return `${file}, ${(bytes / 1024 / 1024).toFixed(1)} MiB`;
}

/** The version in the output of `--version`, such as "QEMU emulator version 7.2.22 (Debian ...)". */
export function parseVersion(output: string): { text: string; major: number } | undefined {
  const match = /\b(\d+)\.\d+(\.\d+)?\b/.exec(output);
  return match ? { text: match[0], major: Number(match[1]) } : undefined;
}

/** Whether the hypervisor exists, runs and is new enough. */
export async function checkQemu(config: Config): Promise<Finding> {
  const name = 'hypervisor';
  const fix = 'apt-get install qemu-system-x86, or set vm.path in the configuration';
  try {
    checkProgram('the hypervisor', config.vm.path, fix);
    const result = await runCommand([config.vm.path, '--version'], { timeoutMs: VERSION_LIMIT_MS });
    const version = parseVersion(result.stdout);
    if (result.code !== 0 || version === undefined) {
      return {
        name,
        status: 'fail',
        text: `${config.vm.path} --version says: ${(result.stderr || result.stdout).slice(0, 300)}`,
        fix,
      };
    }
    const text = `${config.vm.path}, version ${version.text}`;
    if (version.major >= QEMU_MIN) return { name, status: 'ok', text };
    return { name, status: 'warn', text, fix: `version ${QEMU_MIN}.2 or newer is tested` };
  } catch (error) {
    return failed(name, error, fix);
  }
}

/** Whether the daemon exists and runs. */
export async function checkFiles(): Promise<Finding> {
  const name = 'file system daemon';
  const fix = "run 'make build', or install bulkhead again";
  const program = filesProgram();
  try {
    checkProgram('the file system daemon', program, fix);
    const { stderr } = await runCommand([program], { timeoutMs: VERSION_LIMIT_MS });
    if (stderr.includes('usage:')) return { name, status: 'ok', text: program };
    return { name, status: 'fail', text: `${program} says: ${stderr.slice(0, 300)}`, fix };
  } catch (error) {
    return failed(name, error, fix);
  }
}

/** Needed only for disks that the shim creates. */
export function checkMkfs(config: Config): Finding {
  const name = 'mkfs.ext4';
  const found = findInPath(name);
  if (found !== undefined) return { name, status: 'ok', text: found };
  const isNeeded = config.rootfs.mode === 'disk' || config.sharedFs.diskEmptyDir === 'disk';
  const fix = 'apt-get install e2fsprogs';
  if (isNeeded) return { name, status: 'fail', text: 'missing; the configuration asks for disks', fix };
  return {
    name,
    status: 'warn',
    text: 'missing: no container can have its root or an emptyDir on a disk',
    fix,
  };
}

export function checkGuestKernel(config: Config): Finding {
  const name = 'guest kernel';
  try {
    checkKernel(config.vm.kernel, config.vm.user === 'root' ? 0 : config.vm.firstUid);
    return { name, status: 'ok', text: sizeText(config.vm.kernel) };
  } catch (error) {
    return failed(name, error, 'make guest, or set vm.kernel in the configuration');
  }
}

export function checkGuestImage(config: Config): Finding {
  const name = 'guest image';
  try {
    checkImage(config.vm.image);
    return { name, status: 'ok', text: sizeText(config.vm.image) };
  } catch (error) {
    return failed(name, error, 'make guest, or set vm.image in the configuration');
  }
}
