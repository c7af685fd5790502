// `make bench`: measures our shim against runc's in the same run, in turns; a table on stdout, JSON in build/bench.json.
//
// run.ts [--quick] [--only TEXT]   --quick takes a few rounds of each; --only the measures whose name contains the text
// (`--only files,` all of files, which take some five minutes under TCG).
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Containerd } from '../../scripts/stand/containerd.ts';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { bulkheadRuntime, runcRuntime, runtimeOf } from '../../scripts/stand/runtime.ts';
import { FakeContainerd, type Shim } from '../support/fake-containerd.ts';
import { PodHost } from '../support/pod.ts';
import { containerSpec } from '../support/spec.ts';
import {
  bootMeasure,
  runMeasure as ctrRunMeasure,
  execMeasure,
  joinMeasure,
  outputMeasure,
} from './container-measures.ts';
import { fileMeasures } from './file-measures.ts';
import { type Measure, type MeasureGroup, type Outcome, runMeasure } from './measure.ts';
import { networkMeasures } from './network-measures.ts';
import { growthMeasures, secondContainerMeasure } from './pod-measures.ts';
import { hostFacts, table } from './report.ts';
import {
  deleteMeasure,
  joinStartMeasure,
  memoryMeasures,
  podMemory,
  type Sides,
  startMeasures,
  stateMeasures,
} from './shim-measures.ts';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
});
const size = options.quick
  ? {
      ...{ start: 5, shims: 5, vm: 3, exec: 8, state: 2, calls: 2_000, output: 2, mebibytes: 64, run: 3 },
      ...{ second: 5, growth: 1 },
      network: { rounds: 3, mebibytes: 32, trips: 100 },
      files: { rounds: 1, mebibytes: 32, tree: 200, files: 100 },
    }
  : {
      ...{
        start: 30,
        shims: 20,
        vm: 10,
        exec: 30,
        state: 5,
        calls: 10_000,
        output: 5,
        mebibytes: 256,
        run: 100,
      },
      ...{ second: 20, growth: 5 },
      network: { rounds: 10, mebibytes: 128, trips: 500 },
      files: { rounds: 3, mebibytes: 64, tree: 1_000, files: 300 },
    };

for (const name of Object.keys(process.env)) if (name.startsWith('NODE_')) delete process.env[name];

const facts = await hostFacts();
console.log(
  Object.entries(facts)
    .map(([name, value]) => `${name}: ${value}`)
    .join('\n'),
  '\n',
);
const outcomes: Outcome[] = [];
const extra: Record<string, unknown> = {};

async function take(measures: readonly Measure[]): Promise<void> {
  for (const measure of measures) {
    if (options.only !== undefined && !measure.name.includes(options.only)) continue;
    process.stderr.write(`${measure.name} ...\n`);
    outcomes.push(await runMeasure(measure));
  }
}

async function takeGroup({ measures, close }: MeasureGroup): Promise<void> {
  try {
    await take(measures);
  } finally {
    await close();
  }
}

const sides: Sides = {
  ours: await FakeContainerd.start(runtimeOf(bulkheadRuntime)),
  runc: await FakeContainerd.start(runtimeOf(runcRuntime)),
};
try {
  await take([
    ...startMeasures(sides, size.start),
    joinStartMeasure(sides, size.start),
    deleteMeasure(sides, size.start),
  ]);
  await take(memoryMeasures(sides, size.shims));
  await take([bootMeasure(sides, size.vm), joinMeasure(sides, size.vm)]);
  await withRunning(sides, async (running) => {
    extra.memoryOfOnePodMib = await podMemory(running.ours);
    await take([execMeasure(running, size.exec), ...stateMeasures(running, size.state, size.calls)]);
    await take([outputMeasure(running, size.output, size.mebibytes)]);
  });
} finally {
  await sides.ours.stop();
  await sides.runc.stop();
}
const daemon = await Containerd.start();
try {
  await take([ctrRunMeasure(daemon, size.run)]);
} finally {
  await daemon.stop();
}

await takeGroup(fileMeasures(size.files));

let podHost: Promise<PodHost> | undefined;
const startHost = (): Promise<PodHost> => {
  podHost ??= PodHost.start();
  return podHost;
};
try {
  await take([secondContainerMeasure(startHost, size.second), ...growthMeasures(startHost, size.growth)]);
  await takeGroup(networkMeasures(startHost, size.network));
} finally {
  await (await podHost?.catch(() => undefined))?.stop();
}

console.log(table(outcomes));
for (const [name, value] of Object.entries(extra))
  console.log(`\n${name}: ${JSON.stringify(value, undefined, 2)}`);
const file = join(repoRoot, 'build', 'bench.json');
await mkdir(join(repoRoot, 'build'), { recursive: true });
await writeFile(
  file,
  `${JSON.stringify({ facts, mode: options.quick ? 'quick' : 'full', outcomes, ...extra }, undefined, 2)}\n`,
);
console.log(`\n${file}`);

/** One running container on each side, removed afterwards. */
async function withRunning(
  { ours, runc }: Sides,
  body: (running: { ours: Shim; runc: Shim }) => Promise<void>,
): Promise<void> {
  const begin = async (fake: FakeContainerd): Promise<Shim> => {
    const shim = await fake.shim('running', containerSpec(['sleep', '100000'], `/${fake.namespace}/running`));
    await shim.run();
    return shim;
  };
  const running = { ours: await begin(ours), runc: await begin(runc) };
  try {
    await body(running);
  } finally {
    await running.ours.remove();
    await running.runc.remove();
  }
}
