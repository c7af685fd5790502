// Cgroups for tests: which ones a sandbox has, their limits, and removing what a test's namespace left.
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

const root = '/sys/fs/cgroup';

/** Removes a cgroup folder (`/name`) in every hierarchy, children first. Those that still have processes stay. */
export function removeCgroups(name: string): void {
  const hierarchies = ['', ...readdirSync(root).filter((entry) => statSync(join(root, entry)).isDirectory())];
  for (const hierarchy of hierarchies) {
    removeBelow(join(root, hierarchy, name));
    // Those of VMs whose spec names no group.
    for (const dir of globSync(join(root, hierarchy, 'bulkhead', `bulkhead-${name}:*`))) removeBelow(dir);
  }
}

function removeBelow(dir: string): void {
  try {
    for (const entry of readdirSync(dir, { withFileTypes: true })) {
      if (entry.isDirectory()) removeBelow(join(dir, entry.name));
    }
    rmdirSync(dir);
  } catch {
    // Missing, or in use.
  }
}

/** The command of a shell that joins a cgroup before it runs a script. */
export function shellIn(
  cgroup: { readonly procsFiles: readonly string[] },
  script: string,
): [string, ...string[]] {
  const first = 'script=$1; shift; for file; do echo 0 >"$file" || exit 125; done; eval "$script"';
  return ['sh', '-c', first, 'sh', script, ...cgroup.procsFiles];
}

/** The VM's and the shim's groups of a sandbox, from its record. */
export function cgroupsOf(
  bulkheadState: string,
  namespace: string,
  id: string,
): { vm: string; shim: string } {
  const record = JSON.parse(readFileSync(join(bulkheadState, namespace, id, 'state.json'), 'utf8'));
  return { vm: record.cgroup, shim: record.shimCgroup };
}

/** A group's file, from the first hierarchy that has one of the names. @throws when none has. */
export function readCgroup(path: string, ...files: string[]): string {
  return readFileSync(cgroupFile(path, files), 'utf8').trim();
}

export function writeCgroup(path: string, value: string, ...files: string[]): void {
  writeFileSync(cgroupFile(path, files), value);
}

export function hasCgroupFile(path: string, file: string): boolean {
  return hierarchies().some((hierarchy) => existsSync(join(hierarchy, path, file)));
}

function cgroupFile(path: string, files: readonly string[]): string {
  const candidates = files.flatMap((file) => hierarchies().map((one) => join(one, path, file)));
  const found = candidates.find((one) => existsSync(one));
  if (found === undefined) throw new Error(`no hierarchy has ${files.join(' or ')} of ${path}`);
  return found;
}

/** Folders of the mounted hierarchies (just one with cgroup v2). */
export function hierarchies(): string[] {
  if (existsSync(join(root, 'cgroup.controllers'))) return [root];
  return readdirSync(root)
    .map((entry) => join(root, entry))
    .filter((dir) => statSync(dir).isDirectory());
}

/** Creates a group and its parents in every hierarchy. */
export function makeCgroup(path: string): void {
  for (const hierarchy of hierarchies()) {
    let dir = hierarchy;
    for (const name of path.split('/').filter((one) => one !== '')) {
      const parent = dir;
      dir = join(dir, name);
      mkdirSync(dir, { recursive: true });
      if (!hierarchy.endsWith('cpuset')) continue;
      for (const file of ['cpuset.cpus', 'cpuset.mems'])
        writeFileSync(join(dir, file), readFileSync(join(parent, file)));
    }
  }
}
