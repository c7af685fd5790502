// A real Kubernetes asks for pods as its users do: each behaviour with our handler and with runc's beside it. What differs is in
// differences.ts, and nothing else. `make test-kubernetes` prints the table; `--test-name-pattern` picks some.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { defaultFlavour } from '../../scripts/stand/containerd.ts';
import { kubernetesVersion } from '../../scripts/stand/fetch-kubernetes.ts';
import type { Handler } from '../support/cri-config.ts';
import { faults } from './behaviours/faults.ts';
import { life, many } from './behaviours/life.ts';
import { resources } from './behaviours/resources.ts';
import { security } from './behaviours/security.ts';
import { streams } from './behaviours/streams.ts';
import { volumes } from './behaviours/volumes.ts';
import { assertNothingLeft, type Census, census } from './census.ts';
import { differences } from './differences.ts';
import { KubeNode } from './node.ts';
import { type Row, report } from './report.ts';
import { type Behaviour, Side } from './side.ts';

/** Groups in the table's order. Those of `apart` are asked one by one and one side after the other: a fault strikes what both share. */
const groups: Record<string, Record<string, Behaviour>> = {
  'Life cycle': life,
  'Streams, and what is told': streams,
  Volumes: volumes,
  Security: security,
  'Resources and probes': resources,
  'Many at once': many,
  Faults: faults,
};

const apart: ReadonlySet<string> = new Set(['Many at once', 'Faults']);

const flavour = process.env.BULKHEAD_TEST_CONTAINERD === undefined ? '2.3' : defaultFlavour();
const rows: Row[] = [];
let node: KubeNode;
let clean: Census;

before(async () => {
  node = await KubeNode.start(flavour);
  for (const namespace of ['bulkhead', 'runc']) await node.must(['create', 'namespace', namespace]);
  clean = census(node);
});
after(async () => {
  if (node === undefined) return;
  const { version } = node.containerd.binaries;
  await node.stop();
  const order = Object.values(groups).flatMap((behaviours) => Object.keys(behaviours));
  rows.sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  report('kubernetes', `Kubernetes ${kubernetesVersion}, containerd ${version}`, rows);
});

let count = 0;
for (const [group, behaviours] of Object.entries(groups)) {
  describe(group, { concurrency: apart.has(group) ? 1 : 2 }, () => {
    for (const [name, behaviour] of Object.entries(behaviours)) {
      test(name, { timeout: 700_000 }, async () => {
        const label = `b${++count}`;
        const sides = (['runc', 'bulkhead'] as const).map((handler) => () => ask(handler, label, behaviour));
        const first = sides[0]!();
        if (apart.has(group)) await first;
        const [runc, bulkhead] = await Promise.all([first, sides[1]!()]);
        const why = differences[name];
        rows.push({ group, name, runc: runc.answer, bulkhead: bulkhead.answer, why });
        if (runc.error !== undefined) throw new Error('the reference fails', { cause: runc.error });
        if (why === undefined && bulkhead.error !== undefined) throw bulkhead.error;
        if (why === undefined) assert.equal(bulkhead.answer, runc.answer);
        else
          assert.notEqual(
            bulkhead.answer,
            runc.answer,
            'does not differ any more: take it out of differences.ts',
          );
      });
    }
  });
}

test('nothing of any pod is left on the host', { timeout: 120_000 }, async () => {
  await assertNothingLeft(node, clean);
});

/** One side's answer; an error is one, too. */
async function ask(
  handler: Handler,
  label: string,
  behaviour: Behaviour,
): Promise<{ answer: string; error?: unknown }> {
  const side = new Side(node, handler, label);
  try {
    const answer = await behaviour(side);
    await side.clean();
    return { answer };
  } catch (error) {
    await side.clean().catch(() => undefined);
    return { answer: `fails: ${error instanceof Error ? error.message : String(error)}`, error };
  }
}
