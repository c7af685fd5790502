// What pods leave on a node's host, once they are deleted.
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { hierarchies } from '../../scripts/stand/cgroups.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { belongings } from '../support/leaks.ts';
import type { KubeNode } from './node.ts';
import { kubeletRoot } from './settings.ts';

export type Census = ReadonlySet<string>;

/** Processes, mounts, bundles, sockets, our state, cgroups and folders of pods that are there now; a line for each. */
export function census(node: KubeNode): Census {
  const { dir, namespace, mark, address, bulkheadState } = node.containerd;
  const host = { dir, namespace, mark, address, bulkheadState };
  const found = belongings({ ...host, processes: () => node.processes(), log: () => node.containerd.log() });
  const cgroups = hierarchies().flatMap((one) => globSync(join(one, mark, 'kubepods', '**', 'pod*')));
  // The kubelet's own groups come with its first pod, and stay.
  const ofPods = [...found].filter((line) => !line.endsWith(`/${mark}/kubepods`));
  const folders = globSync(join(kubeletRoot(dir), 'pods', '*'));
  return new Set([...ofPods, ...[...cgroups, ...folders].map((path) => `folder ${path}`)]);
}

/** Waits until nothing is there that was not there `before`; the kubelet tidies up in its own time. Rejects with what is left. */
export async function assertNothingLeft(node: KubeNode, before: Census): Promise<void> {
  const left = (): string[] => [...census(node)].filter((line) => !before.has(line));
  await waitFor('clean host', () => left().length === 0, 90_000, 1_000).catch(() => {
    throw new Error(`left behind:\n  ${left().join('\n  ')}`);
  });
}
