// Measurements of the shim itself: start, first reply, delete, memory, State calls.
import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { connect, createClient } from 'ttrpc-ts';
import { memoryKib, processTree } from '../../scripts/stand/processes.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { TaskV2 } from '../../src/gen/task.ts';
import type { FakeContainerd, Shim } from '../support/fake-containerd.ts';
import { containerSpec } from '../support/spec.ts';
import type { Measure } from './measure.ts';

export interface Sides {
  readonly ours: FakeContainerd;
  readonly runc: FakeContainerd;
}

let number = 0;
const nextId = (label: string): string => `${label}${++number}`;

/** A shim without task, timed; it is shut down again. */
async function startOnce(fake: FakeContainerd, until: 'address' | 'reply'): Promise<number> {
  const id = nextId('start');
  const bundle = await fake.bundle(id, containerSpec(['true'], `/${fake.namespace}/${id}`));
  const begun = performance.now();
  const result = await fake.invoke(id, 'start', [], { cwd: bundle });
  const addressMs = performance.now() - begun;
  if (result.code !== 0) throw new Error(`start: ${result.stdout}${result.stderr}`);
  const connection = await connect({ path: result.stdout.trim().slice('unix://'.length) });
  const task = createClient(TaskV2, connection);
  const { shimPid } = await task.connect({ id });
  const replyMs = performance.now() - begun;
  await task.shutdown({ id }).catch(() => undefined);
  connection.close();
  await waitFor('end of the shim', () => processTree(shimPid).every(({ state }) => state === 'Z'), 10_000);
  await rm(bundle, { recursive: true });
  return until === 'address' ? addressMs : replyMs;
}

/** `start` to the address, and to the first reply. */
export function startMeasures({ ours, runc }: Sides, rounds: number): Measure[] {
  return (['address', 'reply'] as const).map((until) => ({
    name: until === 'address' ? 'start: exec to address' : 'start: exec to first reply',
    unit: 'ms',
    peerName: "runc's shim",
    rounds,
    ...(until === 'address' ? { aim: 'new sandbox <= 15x' } : {}),
    ours: () => startOnce(ours, until),
    peer: () => startOnce(runc, until),
  }));
}

/** `start` of a container that joins a sandbox whose shim runs; the peer is runc's start, which has no such case here. */
export function joinStartMeasure({ ours, runc }: Sides, rounds: number): Measure {
  let sandbox: Shim | undefined;
  const annotated = (id: string, type: string, sandboxId: string): ReturnType<typeof containerSpec> => ({
    ...containerSpec(['true'], `/${ours.namespace}/${id}`),
    annotations: { 'io.kubernetes.cri.container-type': type, 'io.kubernetes.cri.sandbox-id': sandboxId },
  });
  return {
    name: 'start: joining a sandbox',
    unit: 'ms',
    peerName: "runc's shim",
    aim: '<= 8x',
    rounds,
    setup: async () => {
      const id = nextId('sandbox');
      sandbox = await ours.shim(id, annotated(id, 'sandbox', id));
    },
    ours: async () => {
      const id = nextId('join');
      const bundle = await ours.bundle(id, annotated(id, 'container', sandbox?.id ?? ''));
      const result = await ours.invoke(id, 'start', [], { cwd: bundle });
      if (result.code !== 0) throw new Error(`start: ${result.stdout}${result.stderr}`);
      await rm(bundle, { recursive: true });
      return result.ms;
    },
    peer: () => startOnce(runc, 'address'),
    teardown: async () => await sandbox?.remove(),
  };
}

/** The `delete` invocation after an orderly end, as containerd runs it for every container. */
export function deleteMeasure({ ours, runc }: Sides, rounds: number): Measure {
  const once = async (fake: FakeContainerd): Promise<number> => {
    const id = nextId('delete');
    const bundle = await fake.bundle(id, containerSpec(['true'], `/${fake.namespace}/${id}`));
    const result = await fake.invoke(id, 'delete', ['-bundle', bundle], { cwd: bundle });
    await rm(bundle, { recursive: true });
    return result.ms;
  };
  return {
    name: 'delete',
    unit: 'ms',
    peerName: "runc's shim",
    rounds,
    ours: () => once(ours),
    peer: () => once(runc),
  };
}

/** Memory of idle shims, `count` at once: private dirty, and PSS which shares the pages that all map. */
export function memoryMeasures({ ours, runc }: Sides, count: number): Measure[] {
  const taken = new Map<FakeContainerd, { pss: number; privateDirty: number }>();
  const take = async (fake: FakeContainerd): Promise<{ pss: number; privateDirty: number }> => {
    const known = taken.get(fake);
    if (known !== undefined) return known;
    const shims: Shim[] = [];
    try {
      for (let i = 0; i < count; i++) {
        const id = nextId('idle');
        shims.push(await fake.shim(id, containerSpec(['true'], `/${fake.namespace}/${id}`)));
      }
      const pids = await Promise.all(shims.map((shim) => shim.pid()));
      await new Promise((done) => setTimeout(done, 1_500));
      const each = pids.map(memoryKib);
      const mean = (pick: (one: (typeof each)[number]) => number): number =>
        each.reduce((sum, one) => sum + pick(one), 0) / each.length / 1024;
      const result = { pss: mean((one) => one.pss), privateDirty: mean((one) => one.privateDirty) };
      taken.set(fake, result);
      return result;
    } finally {
      for (const shim of shims) await shim.remove();
    }
  };
  return (['privateDirty', 'pss'] as const).map((kind) => ({
    name: `shim memory, ${count} idle: ${kind === 'pss' ? 'PSS' : 'private dirty'} each`,
    unit: 'MiB',
    peerName: "runc's shim",
    ...(kind === 'privateDirty' ? { aim: '<= 14 MiB at 20 shims' } : {}),
    rounds: 1,
    ours: async () => (await take(ours))[kind],
    peer: async () => (await take(runc))[kind],
  }));
}

/** State calls per second on one connection, one at a time and 32 at once. */
export function stateMeasures(running: { ours: Shim; runc: Shim }, rounds: number, calls: number): Measure[] {
  const rate = async (shim: Shim, parallel: number): Promise<number> => {
    const { task, id } = shim;
    const begun = performance.now();
    const worker = async (): Promise<void> => {
      for (let i = 0; i < calls / parallel; i++) await task.state({ id });
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    return calls / ((performance.now() - begun) / 1000);
  };
  return [1, 32].map((parallel) => ({
    name: `State calls, ${parallel} at once`,
    unit: '1/s',
    peerName: "runc's shim",
    rounds,
    ours: () => rate(running.ours, parallel),
    peer: () => rate(running.runc, parallel),
  }));
}

/** Memory of the shim that serves a running container, and of its helpers, read once. */
export async function podMemory(shim: Shim): Promise<Record<string, { pss: number; privateDirty: number }>> {
  const helpers = shim.fake
    .processes()
    .filter(({ name, command }) => name !== 'cat' && command.includes(shim.id));
  return Object.fromEntries(
    helpers.map(({ pid, command }) => {
      const program = basename(command.split(' ')[0] ?? '');
      const { pss, privateDirty } = memoryKib(pid);
      return [`${program} ${pid}`, { pss: pss / 1024, privateDirty: privateDirty / 1024 }];
    }),
  );
}
