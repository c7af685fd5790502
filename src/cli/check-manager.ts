// Checks of the container manager: containerd or CRI-O, and whether it will find the shim.

import path from 'node:path';
import { messageOf } from '../base/errors.ts';
import { findInPath, installationPrefix } from '../config/locate.ts';
import { runCommand } from '../host/command.ts';
import { parseVersion } from './check-vm.ts';
import type { Finding } from './finding.ts';

const SHIM = 'containerd-shim-bulkhead-v2';
const VERSION_LIMIT_MS = 10_000;

async function versionOf(program: string): Promise<string | undefined> {
  const { stdout } = await runCommand([program, '--version'], { timeoutMs: VERSION_LIMIT_MS });
  return parseVersion(stdout)?.text;
}

/** At least 1.6, the oldest containerd that we test. */
export function isSupportedContainerd(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 6);
}

async function checkContainerd(program: string): Promise<Finding> {
  const name = 'containerd';
  try {
    const version = await versionOf(program);
    if (version === undefined) {
      return {
        name,
        status: 'warn',
        text: `${program} does not report its version`,
        fix: 'version 1.6 or newer is needed',
      };
    }
    const text = `${program}, version ${version}`;
    if (isSupportedContainerd(version)) return { name, status: 'ok', text };
    return { name, status: 'fail', text, fix: 'version 1.6 or newer is needed' };
  } catch (error) {
    return { name, status: 'warn', text: messageOf(error), fix: 'version 1.6 or newer is needed' };
  }
}

/** containerd looks in its own PATH, most likely the same as this one or systemd's default. */
function checkShim(): Finding {
  const name = 'shim';
  const found = findInPath(SHIM);
  if (found !== undefined) return { name, status: 'ok', text: found };
  const own = path.join(installationPrefix(), 'bin', SHIM);
  const fix = `make install, or give containerd a PATH with ${path.dirname(own)}; absolute runtime paths work as well`;
  return { name, status: 'warn', text: `${SHIM} is not in PATH`, fix };
}

export async function checkContainerManager(): Promise<Finding[]> {
  const containerd = findInPath('containerd');
  const crio = findInPath('crio');
  const findings: Finding[] = [];
  if (containerd !== undefined) findings.push(await checkContainerd(containerd));
  if (crio !== undefined) findings.push({ name: 'CRI-O', status: 'ok', text: crio });
  if (findings.length === 0) {
    const fix = 'apt-get install containerd';
    findings.push({
      name: 'containerd',
      status: 'fail',
      text: 'neither containerd nor crio is in PATH',
      fix,
    });
  }
  return [...findings, checkShim()];
}
