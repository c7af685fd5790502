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

let stand: Stand;
before(async () => {
  stand = await Stand.start(await fetchStressNg());
});
after(() => stand?.stop());

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
      t.diagnostic(`${place}: ${name}: ours ${counts(a)}; runc ${counts(b)}; ${found.length} differ`);
      for (const one of found) t.diagnostic(`  ${one.asked}: ours ${one.ours}, runc ${one.runc}`);
      assert.deepEqual(surprises(place, a.keys(), found), []);
    });
  }
}

/** How often each answer was given. */
function counts(answers: Answers): string {
  const all = new Map<string, number>();
  for (const answer of answers.values()) all.set(answer, (all.get(answer) ?? 0) + 1);
  return [...all].map(([answer, count]) => `${count} ${answer}`).join(', ');
}
