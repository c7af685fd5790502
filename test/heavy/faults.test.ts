// kill -9 of each part at each step of a container's life, all of it: a table in build/kill-matrix.md, and nothing may be left.
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { repoRoot } from '../../scripts/stand/paths.ts';
import { type Cell, Matrix, type Victim, victims } from '../support/kill-cell.ts';
import { steps } from '../support/kill-steps.ts';

let matrix: Matrix;
const rows = new Map<string, Map<Victim, Cell>>();
before(async () => {
  matrix = await Matrix.start();
});
after(async () => {
  await matrix?.stop();
  mkdirSync(join(repoRoot, 'build'), { recursive: true });
  writeFileSync(join(repoRoot, 'build/kill-matrix.md'), `${table()}\n\n${errors()}\n`);
});

for (const step of steps) {
  test(`${step.phase}: ${step.what}`, { timeout: 400_000 }, async () => {
    const row = new Map<Victim, Cell>();
    rows.set(step.id, row);
    for (const victim of victims) row.set(victim, await matrix.cell(step, victim));
    const bad = [...row].flatMap(([victim, { problems }]) => problems.map((one) => `${victim}: ${one}`));
    assert.deepEqual(bad, []);
  });
}

/** What containerd sees in each cell. */
function table(): string {
  const lines = steps.map(({ id, phase, what }) => {
    const row = rows.get(id);
    const cells = victims.map((victim) => {
      const cell = row?.get(victim);
      if (cell === undefined) return 'not run';
      return cell.problems.length > 0 ? `**FAULT** ${cell.seen}` : cell.seen;
    });
    return `| ${[phase, what, ...cells].join(' | ')} |`;
  });
  const head = ['', 'step', ...victims];
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---|').join('')}`, ...lines].join('\n');
}

/** What the calls say that fail, once for each kind. */
function errors(): string {
  const kinds = new Map<string, string>();
  for (const [id, row] of rows)
    for (const [victim, { error }] of row) {
      if (error === undefined) continue;
      const text = error
        .replaceAll(`${id}-${victim.toLowerCase()}`, 'ID')
        .replaceAll(matrix.fake.dir, '...')
        .split(/\n|: bulkhead-files: /)[0]!;
      if (!kinds.has(text)) kinds.set(text, `${victim}, ${id}`);
    }
  return [...kinds].map(([text, where]) => `- ${where}: \`${text}\``).join('\n');
}
