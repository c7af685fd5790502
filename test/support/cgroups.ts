// Removes the cgroup folders that a test's namespace left; they are outside its scratch folder.
import { globSync, readdirSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = '/sys/fs/cgroup';

/** Removes a cgroup folder (`/name`) in every hierarchy, children first. What still has processes stays. */
export function removeCgroups(name: string): void {
  const hierarchies = ['', ...readdirSync(root).filter((entry) => statSync(join(root, entry)).isDirectory())];
  for (const hierarchy of hierarchies) {
    removeBelow(join(root, hierarchy, name));
    // Of VMs whose spec names no group.
    for (const dir of globSync(join(root, hierarchy, 'bulkhead', `bulkhead-${name}-*`))) removeBelow(dir);
  }
}

function removeBelow(dir: string): void {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) removeBelow(join(dir, entry.name));
    }
    rmdirSync(dir);
  } catch {
    // Not there, or in use.
  }
}

/** A shell that joins a cgroup before it runs a script. */
export function shellIn(
  cgroup: { readonly procsFiles: readonly string[] },
  script: string,
): [string, ...string[]] {
  const join = 'script=$1; shift; for file; do echo 0 >"$file" || exit 125; done; eval "$script"';
  return ['sh', '-c', join, 'sh', script, ...cgroup.procsFiles];
}
