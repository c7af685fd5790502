// Pods and containers come, go and are killed for a long time beside one pod that stays: does anything grow? Prints what was
// measured as it goes, writes build/soak.md, and ends with 1 when something has grown.
// BULKHEAD_SOAK_MINUTES: how long, 60 unless told.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { isRunning, memoryKib, openFiles, programsOf } from '../../scripts/stand/processes.ts';
import { waitFor, within } from '../../scripts/stand/wait.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { type Belongings, belongings } from '../support/leaks.ts';
import { containerSpec, type Spec } from '../support/spec.ts';

const minutes = Number(process.env.BULKHEAD_SOAK_MINUTES ?? 60);
const POD = 'stays';
/** Time for the shim that stays to give its memory back (src/shim/idle-memory.ts). */
const QUIET_MS = 5_000;
const SAMPLE_MS = Math.max(30_000, (minutes * 60_000) / 40);
const limit = { timeoutMs: 120_000 };

/** One moment at which nothing is under way. */
interface Sample {
  readonly minute: number;
  readonly rounds: number;
  readonly shimRss: number;
  readonly shimPss: number;
  readonly shimPrivate: number;
  readonly filesPrivate: number;
  readonly shimFds: number;
  readonly filesFds: number;
  readonly processes: number;
  readonly mounts: number;
  readonly cgroups: number;
  readonly folders: number;
}

/**
 * How much a value may grow in the measured time, by its fitted line: noise of an allocator, nothing of what is counted. The
 * PSS of the shim is not judged: it depends on how many others run the same program.
 */
const MAY_GROW: Partial<Record<keyof Sample, number>> = {
  shimPrivate: 2_048,
  filesPrivate: 2_048,
  shimFds: 0.9,
  filesFds: 0.9,
  processes: 0.9,
  mounts: 0.9,
  cgroups: 0.9,
  folders: 0.9,
};

const fake = await FakeContainerd.start();
const samples: Sample[] = [];
const failures: string[] = [];
let rounds = 0;

function podSpec(id: string, type: 'sandbox' | 'container'): Spec {
  return {
    ...containerSpec(['sh', '-c', 'echo up; exec sleep 100000'], `/${fake.namespace}/${id}`),
    annotations: { 'io.kubernetes.cri.container-type': type, 'io.kubernetes.cri.sandbox-id': POD },
  };
}

/** Execs in the pod that stays, and a container that comes and goes in it. */
async function usePod(pod: Shim, round: number): Promise<void> {
  for (const script of ['echo out; echo err >&2', 'exit 3', 'head -c 300000 /dev/zero']) {
    const { execId, io } = await pod.exec(containerSpec(['sh', '-c', script], '').process);
    await within('exit of an exec', 60_000, pod.task.wait({ id: POD, execId }));
    await io.ended();
    await pod.task.delete({ id: POD, execId }, limit);
  }
  await pod.task.stats({ id: POD }, limit);
  const id = `${POD}-${round % 3}`;
  const bundle = await fake.bundle(id, podSpec(id, 'container'));
  try {
    await pod.task.create({ id, bundle, rootfs: await fake.rootfs(id) }, limit);
    await pod.task.start({ id }, limit);
    await pod.task.kill({ id, signal: 9 }, limit);
    await pod.task.wait({ id }, limit);
    await pod.task.delete({ id }, limit);
  } finally {
    await fake.removeBundle(id);
  }
}

const ENDS = ['kill', 'exit', 'shim', 'qemu', 'files', 'containerd', 'early'] as const;

/** A container with a VM of its own, ended in one of many ways. */
async function churn(round: number): Promise<void> {
  const end = ENDS[round % ENDS.length]!;
  const id = `comes-${round % 5}`;
  const script = end === 'exit' ? 'echo up' : 'echo up; exec sleep 100000';
  const shim = await fake.shim(id, containerSpec(['sh', '-c', script], `/${fake.namespace}/${id}`));
  try {
    if (end === 'early') {
      const create = shim.create();
      create.catch(() => undefined);
      await waitFor('QEMU', () => pidOf(/^\S*qemu-system/, id), 60_000);
      process.kill(await shim.pid(), 'SIGKILL');
      return;
    }
    const io = await shim.run();
    await io.expect(/up/, 60_000);
    const wait = shim.task.wait({ id }, limit);
    wait.catch(() => undefined);
    if (end === 'kill') await shim.task.kill({ id, signal: 9 }, limit);
    else if (end === 'containerd') shim.release();
    else if (end === 'shim') process.kill(await shim.pid(), 'SIGKILL');
    else if (end === 'qemu') process.kill(pidOf(/^\S*qemu-system/, id)!, 'SIGKILL');
    else if (end === 'files') process.kill(pidOf(/^\S*bulkhead-files/, id)!, 'SIGKILL');
    if (end === 'containerd') await shim.connect();
    else if (end !== 'shim') await within(`exit by ${end}`, 60_000, wait);
  } finally {
    await shim.remove();
    fake.endLog(id);
  }
}

function pidOf(program: RegExp, id: string): number | undefined {
  return programsOf(fake.processes(), program, id)[0]?.pid;
}

function sample(begin: number, shim: number): Sample {
  const files = pidOf(/^\S*bulkhead-files/, POD)!;
  const all = [...belongings(fake)];
  const count = (kind: string) => all.filter((line) => line.startsWith(`${kind} `)).length;
  const { rss, pss, privateDirty } = memoryKib(shim);
  return {
    minute: Math.round((performance.now() - begin) / 6_000) / 10,
    rounds,
    shimRss: rss,
    shimPss: pss,
    shimPrivate: privateDirty,
    filesPrivate: memoryKib(files).privateDirty,
    shimFds: openFiles(shim).size,
    filesFds: openFiles(files).size,
    processes: count('process'),
    mounts: count('mount'),
    cgroups: count('cgroup'),
    folders: count('state') + count('bundle') + count('socket'),
  };
}

/** Growth from the first to the last of the samples by the least squares, and per hour. */
function growth(key: keyof Sample, of: readonly Sample[]): { grown: number; perHour: number } {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [of.map(({ minute }) => minute), of.map((one) => one[key])];
  const [mx, my] = [mean(x), mean(y)];
  const spread = x.reduce((sum, value) => sum + (value - mx) ** 2, 0);
  const slope = spread === 0 ? 0 : x.reduce((sum, value, i) => sum + (value - mx) * (y[i]! - my), 0) / spread;
  return { grown: slope * (x.at(-1)! - x[0]!), perHour: slope * 60 };
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(' | ')} |`;
}

function report(): { text: string; leaks: string[] } {
  // What a shim allocates once (code that is loaded late, caches) is no leak.
  const measured = samples.slice(Math.floor(samples.length / 3));
  const leaks: string[] = [];
  const lines = (Object.keys(samples[0]!) as (keyof Sample)[])
    .filter((key) => key !== 'minute' && key !== 'rounds')
    .map((key) => {
      const { grown, perHour } = growth(key, measured);
      const room = MAY_GROW[key];
      const isLeak = room !== undefined && grown > room;
      if (isLeak) leaks.push(`${key} grew by ${grown.toFixed(1)}`);
      const values = [samples[0]!, measured[0]!, measured.at(-1)!].map((one) => one[key]);
      return row([key, ...values, perHour.toFixed(1), room ?? 'not judged', isLeak ? '**leak**' : 'none']);
    });
  const last = samples.at(-1)!;
  const head = ['', 'first', 'after a third', 'last', 'slope per hour', 'may grow', 'leak'];
  const text = [
    `${last.minute} minutes, ${rounds} rounds, ${failures.length} failures, ${samples.length} samples. Memory in KiB.`,
    '',
    row(head),
    `|${head.map(() => '---|').join('')}`,
    ...lines,
  ].join('\n');
  return { text, leaks };
}

let before: Belongings | undefined;
try {
  const begin = performance.now();
  before = belongings(fake);
  const pod = await fake.shim(POD, podSpec(POD, 'sandbox'));
  await pod.run();
  const shim = await pod.pid();
  let next = 0;
  for (let round = 0; performance.now() - begin < minutes * 60_000; round++) {
    const results = await Promise.allSettled([usePod(pod, round), churn(round)]);
    for (const [i, result] of results.entries()) {
      if (result.status === 'fulfilled') continue;
      const where = i === 0 ? 'pod' : `container, ${ENDS[round % ENDS.length]}`;
      failures.push(`round ${round}, ${where}: ${result.reason}`);
      console.log(`FAILED ${failures.at(-1)}`);
    }
    rounds = round + 1;
    if (!isRunning(shim)) throw new Error(`the shim of the pod has ended:\n${pod.log().slice(-3000)}`);
    if (performance.now() < next) continue;
    await sleep(QUIET_MS);
    samples.push(sample(begin, shim));
    console.log(JSON.stringify(samples.at(-1)));
    next = performance.now() + SAMPLE_MS;
  }
  await sleep(QUIET_MS);
  samples.push(sample(begin, shim));
  await pod.remove();
  const { text, leaks } = report();
  const left = await waitFor('clean host', () => leftOver().length === 0 && [], 30_000).catch(leftOver);
  console.log(`\n${text}\n`);
  mkdirSync(join(repoRoot, 'build'), { recursive: true });
  writeFileSync(join(repoRoot, 'build/soak.md'), `${text}\n`);
  for (const problem of [...failures, ...leaks, ...left]) console.error(problem);
  if (failures.length + leaks.length + left.length > 0) process.exitCode = 1;
} finally {
  await fake.stop();
}

function leftOver(): string[] {
  return [...belongings(fake)].filter((line) => !before?.has(line)).map((line) => `left behind: ${line}`);
}
