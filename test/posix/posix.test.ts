// All of pjdfstest and of our probe, a long fsx, and stress-ng on each kind of file system that a container can have, ours and runc's:
// what differs is in docs/mounts.md, and nothing else. `make test-posix` prints the counts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { differencesOf, surprises } from './differences.ts';
import { fetchStressNg } from './programs.ts';
import { type Answers, fsx, pjdfstest, probe, stressNg } from './questions.ts';
import { type Place, places, type Side, Stand } from './stand.ts';

const SEEDS = [1, 2, 3, 4, 5];
const OPERATIONS = 2_000;

/** Place, program, answers here, answers with runc, how many differ. */
const rows: string[][] = [['on', 'asked by', 'here', 'with runc', 'differ']];

let stand: Stand;
before(async () => {
  stand = await Stand.start(await fetchStressNg());
});
after(async () => {
  console.log(table(rows));
  await stand?.stop();
});

type Question = (side: Side, place: Place) => Promise<Answers>;
const manySeeds: Question = async (side, place) => {
  const answers = new Map<string, string>();
  for (const seed of SEEDS)
    answers.set(`fsx, seed ${seed}`, (await fsx(side, place, seed, OPERATIONS)).get('fsx')!);
  return answers;
};
const questions: readonly [string, Question][] = [
  ['probe', probe],
  ['pjdfstest', pjdfstest],
  ['fsx', manySeeds],
  ['stress-ng', stressNg],
];

for (const place of Object.keys(places) as Place[]) {
  for (const [name, ask] of questions) {
    if (place === 'read-only bind' && (name === 'fsx' || name === 'stress-ng')) continue;
    test(`${place}: ${name}`, { timeout: 600_000 }, async (t) => {
      const { ours, runc } = await stand.sides(place);
      const [a, b] = await Promise.all([ask(ours, place), ask(runc, place)]);
      const found = differencesOf(place, a, b);
      rows.push([place, name, counts(a), counts(b), String(found.length)]);
      for (const one of found) t.diagnostic(`  ${one.asked}: ours ${one.ours}, runc ${one.runc}`);
      assert.deepEqual(surprises(place, a.keys(), found), []);
    });
  }
}

/** Columns side by side, each as wide as its widest cell. */
function table(all: readonly (readonly string[])[]): string {
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** How often each answer was given; errors, and what is no yes or no, together. */
function counts(answers: Answers): string {
  const isPlain = (answer: string) => ['ok', 'FAILED', 'skipped', 'no resources'].includes(answer);
  const all = new Map<string, number>();
  for (const answer of answers.values()) {
    const kind = isPlain(answer) ? answer : 'other';
    all.set(kind, (all.get(kind) ?? 0) + 1);
  }
  return [...all].map(([answer, count]) => `${count} ${answer}`).join(', ');
}
