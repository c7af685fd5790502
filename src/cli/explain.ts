// `bulkhead explain`: what the shim would decide about a container, and why; changes nothing.
import { existsSync, globSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Config } from '../config/config.ts';
import { chooseAccelerator, kvmFacts } from '../host/kvm.ts';
import { netnsKind } from '../host/netns.ts';
import { networkMode } from '../network/mode.ts';
import { classifyMounts } from '../oci/mounts.ts';
import { readSpec, type Spec } from '../oci/spec.ts';
import { hostView } from '../sandbox/host-view.ts';
import { place } from '../sandbox/placement.ts';
import { vmSizeOf } from '../sandbox/vm-size.ts';
import { planHostLimits } from '../vm/host-limits.ts';

/** Where containerd keeps bundles: in its state folder, by namespace and id. */
const BUNDLES = '/run/containerd/io.containerd.runtime.v2.task/*';

/**
 * @param given a bundle's folder, or the id of a container of this host's containerd.
 * @throws Error when there is no such bundle, or the id exists in several namespaces.
 */
export function findBundle(given: string, bundles: string = BUNDLES): string {
  if (existsSync(join(given, 'config.json'))) return realpathSync(given);
  if (given.includes('/')) throw new Error(`${given} is not a bundle: it has no config.json`);
  const found = globSync(join(bundles, given)).filter((dir) => statSync(dir).isDirectory());
  if (found.length > 1) throw new Error(`${given} exists more than once: name one of ${found.join(', ')}`);
  if (found[0] === undefined) {
    throw new Error(`no container ${given} below ${bundles}: give the folder of its bundle instead`);
  }
  return found[0];
}

/** The decision as lines of text. @param id the container's id */
export async function explain(id: string, spec: Spec, config: Config): Promise<string[]> {
  const placement = place(id, spec.annotations ?? {});
  const lines = [headline(id, placement), ...because(placement.reasons)];
  if (placement.t === 'reject') return lines;
  if (placement.t === 'boot') {
    const network = networkMode(spec.linux?.namespaces ?? [], placement.pod, netnsKind);
    lines.push('', 'VM', ...because(vmReasons(spec, config.vm, placement.pod)));
    lines.push('', `network: ${network.t}`, ...because(network.reasons));
  }
  const mounts = classifyMounts(
    spec.mounts ?? [],
    await hostView(spec.mounts ?? [], {
      diskEmptyDir: config.sharedFs.diskEmptyDir,
      diskSizeMib: config.rootfs.diskSizeMib,
      localDir: '',
    }),
  );
  lines.push('', ...rootLines(spec, config.rootfs), '', 'mounts');
  for (const { mount, kind, readOnly, reason } of mounts) {
    lines.push(`  ${mount.destination.padEnd(32)} ${kind}${readOnly ? ', read-only' : ''}: ${reason}`);
  }
  return lines;
}

/** The snapshotter's mounts matter too, but are not in the bundle. */
function rootLines({ root }: Spec, { mode, diskSizeMib }: Config['rootfs']): string[] {
  const disks = 'block devices and images of a snapshotter are disks of the VM';
  if (mode === 'shared' || root?.readonly === true) {
    const reason = mode === 'shared' ? 'rootfs.mode is "shared"' : 'it is read-only for the container';
    return ['root: shared with the host', ...because([reason, disks])];
  }
  const lost = 'lost with it: commit, diff and cp see the disk and not the files (docs/rootfs.md)';
  const size = `what is written to an overlay is on a disk of ${diskSizeMib} MiB in the snapshot: rootfs.mode is "disk"`;
  return ['root: on a disk', ...because([size, lost, disks])];
}

function vmReasons(spec: Spec, config: Config['vm'], pod: boolean): string[] {
  const { reasons, ...size } = vmSizeOf(spec, config, pod);
  const { accelerator } = chooseAccelerator(config.accelerator, kvmFacts());
  const host = planHostLimits({ ...size, accelerator, vmmMemoryMib: config.vmmMemoryMib });
  return [...reasons, ...host.reasons];
}

function headline(id: string, placement: ReturnType<typeof place>): string {
  switch (placement.t) {
    case 'reject':
      return `${id} is rejected`;
    case 'join':
      return `${id} joins the VM of sandbox ${placement.sandboxId}`;
    case 'boot':
      return `${id} boots a VM${placement.pod ? ', the sandbox of a pod' : ' of its own'}`;
  }
}

function because(reasons: readonly string[]): string[] {
  return reasons.map((reason) => `  ${reason}`);
}

/** What `bulkhead explain` prints. */
export function explainBundle(given: string, config: Config): Promise<string[]> {
  const bundle = findBundle(given);
  const id = bundle.split('/').at(-1) ?? given;
  return explain(id, readSpec(bundle), config);
}
