// Measurements of pods through the CRI: a second container, and what each further one costs.
import { setTimeout as sleep } from 'node:timers/promises';
import { markedProcesses, memoryKib } from '../../scripts/stand/processes.ts';
import type { Handler } from '../support/cri-config.ts';
import type { Pod, PodContainer, PodHost } from '../support/pod.ts';
import type { Measure } from './measure.ts';

/** Starts the machine of the pods when the first measure needs it. */
export type LazyHost = () => Promise<PodHost>;

/** Longer than a shim waits before it gives memory back (src/shim/idle-memory.ts). */
const IDLE_MS = 5_000;
const FULL = 10;

/** CreateContainer and StartContainer in a pod that runs one container already. */
export function secondContainerMeasure(host: LazyHost, rounds: number): Measure {
  const pods = new Map<Handler, Pod>();
  const once = async (handler: Handler): Promise<number> => {
    const pod = pods.get(handler);
    if (pod === undefined) throw new Error(`no pod of ${handler}`);
    const begun = performance.now();
    const container = await pod.run();
    const ms = performance.now() - begun;
    await container.stop();
    await container.remove();
    return ms;
  };
  return {
    name: 'CRI: second container, create to running',
    unit: 'ms',
    peerName: 'runc',
    aim: '<= 3x',
    rounds,
    setup: async () => {
      for (const handler of ['bulkhead', 'runc'] as const) {
        const pod = await (await host()).pod({ handler });
        pods.set(handler, pod);
        await pod.run();
      }
    },
    ours: () => once('bulkhead'),
    peer: () => once('runc'),
    teardown: async () => {
      for (const pod of pods.values()) await pod.remove();
    },
  };
}

/** What was seen while a pod grew to ten containers. */
interface Growth {
  /** Create to running of each container, in order. */
  readonly addMs: readonly number[];
  readonly shimMibPerContainer: number;
  readonly guestMibPerContainer: number;
}

/** Pods that grow to ten containers; each kind of figure comes from the same pods. */
export function growthMeasures(host: LazyHost, rounds: number): Measure[] {
  const growths: Record<Handler, Growth[]> = { bulkhead: [], runc: [] };
  const stages = new Map<string, number[]>();
  /** The growth of one round, made by whoever asks first. */
  const growth = async (handler: Handler, round: number): Promise<Growth> => {
    const known = growths[handler][round];
    if (known !== undefined) return known;
    const made = await grow(await host(), handler);
    growths[handler].push(made);
    if (handler === 'runc') return made;
    for (const count of [1, 2, 5, FULL]) {
      const name = `container ${count}`;
      stages.set(name, [...(stages.get(name) ?? []), made.addMs[count - 1] ?? Number.NaN]);
    }
    return made;
  };
  const sampler = (handler: Handler, pick: (growth: Growth) => number | readonly number[]) => {
    let round = 0;
    return async () => pick(await growth(handler, round++));
  };
  return [
    {
      name: 'CRI: containers 6 to 10 of a pod, create to running',
      unit: 'ms',
      peerName: 'containers 2 to 5 of the same pod',
      aim: 'flat',
      rounds,
      stages,
      ours: sampler('bulkhead', ({ addMs }) => addMs.slice(5)),
      peer: sampler('bulkhead', ({ addMs }) => addMs.slice(1, 5)),
    },
    {
      name: 'shim memory for each further container, private dirty',
      unit: 'MiB',
      peerName: "runc's shim",
      aim: '<= 0.3 MiB',
      rounds,
      ours: sampler('bulkhead', ({ shimMibPerContainer }) => shimMibPerContainer),
      peer: sampler('runc', ({ shimMibPerContainer }) => shimMibPerContainer),
    },
    {
      name: 'guest memory for each further container',
      unit: 'MiB',
      rounds,
      ours: sampler('bulkhead', ({ guestMibPerContainer }) => guestMibPerContainer),
    },
  ];
}

async function grow(host: PodHost, handler: Handler): Promise<Growth> {
  const pod = await host.pod({ handler });
  try {
    const addMs: number[] = [];
    const add = async (): Promise<PodContainer> => {
      const begun = performance.now();
      const container = await pod.run();
      addMs.push(performance.now() - begun);
      return container;
    };
    const first = await add();
    const before = await memory(pod, first);
    while (addMs.length < FULL) await add();
    const after = await memory(pod, first);
    const perContainer = (pick: (seen: typeof before) => number): number =>
      (pick(after) - pick(before)) / (FULL - 1);
    return {
      addMs,
      shimMibPerContainer: perContainer(({ shimMib }) => shimMib),
      guestMibPerContainer: perContainer(({ guestMib }) => guestMib),
    };
  } finally {
    await pod.remove();
  }
}

/** Memory of the pod's shim, and what the kernel of its containers has in use (of the machine, for runc's). */
async function memory(pod: Pod, container: PodContainer): Promise<{ shimMib: number; guestMib: number }> {
  const meminfo = await container.sh('cat /proc/meminfo');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(meminfo)?.[1]);
  await sleep(IDLE_MS);
  const { mark, dir } = pod.host.daemon;
  const shim = markedProcesses(mark, dir).find(
    ({ command }) => /containerd-shim|server\.cjs/.test(command) && command.includes(`-id ${pod.id}`),
  );
  if (shim === undefined) throw new Error(`no shim of pod ${pod.id}`);
  return {
    shimMib: memoryKib(shim.pid).privateDirty / 1024,
    guestMib: (field('MemTotal') - field('MemAvailable')) / 1024,
  };
}
