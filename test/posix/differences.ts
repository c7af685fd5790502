// The differences that the docs own up to, read from their table, and what a comparison finds beyond or short of them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repoRoot } from '../../scripts/stand/paths.ts';
import type { Answers } from './questions.ts';
import { type Place, places } from './stand.ts';

/** A row of the table: what is asked (a `*` stands for anything), where, and what a container in a VM gets. */
interface Row {
  readonly asked: string;
  readonly where: readonly Place[];
  readonly here: string;
}

export interface Difference {
  readonly place: Place;
  readonly asked: string;
  readonly ours: string;
  readonly runc: string;
}

/** The docs' short word for what virtio-fs carries and can be written to. */
const shares: readonly Place[] = ['root', 'bind', 'disk emptyDir', 'local emptyDir'];

/** Tests whose outcome says nothing: name -> why. */
const meaningless = new Map(
  ['open', 'truncate'].map((call) => [
    `${call}::etxtbsy`,
    'it runs a copy of sleep under another name, which busybox refuses: the program may have ended by then',
  ]),
);

/** The table of docs/mounts.md. */
export function documented(): Row[] {
  const text = readFileSync(join(repoRoot, 'docs/mounts.md'), 'utf8');
  const section = text.split('## What differs from a local file system')[1]?.split('\n## ')[0] ?? '';
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  assert.ok(rows.length > 0, 'docs/mounts.md has the table of differences');
  return rows.map((line) => {
    const [asked = '', where = '', here = ''] = line
      .split('|')
      .slice(1)
      .map((cell) => cell.trim());
    const named = where.split(',').flatMap((name) => (name.trim() === 'shares' ? shares : name.trim()));
    for (const name of named) assert.ok(name in places, `docs/mounts.md: ${asked}: ${name} is no place`);
    return { asked: asked.replaceAll('`', ''), where: named as Place[], here: here.replaceAll('`', '') };
  });
}

/** What is answered differently at a place. */
export function differencesOf(place: Place, ours: Answers, runc: Answers): Difference[] {
  return [...new Set([...ours.keys(), ...runc.keys()])]
    .filter((asked) => !meaningless.has(asked))
    .map((asked) => ({
      place,
      asked,
      ours: ours.get(asked) ?? 'not asked',
      runc: runc.get(asked) ?? 'not asked',
    }))
    .filter((one) => one.ours !== one.runc);
}

/** What the docs do not say, and what they say of a place although it is not so (any more). */
export function surprises(
  place: Place,
  asked: Iterable<string>,
  found: readonly Difference[],
  rows = documented(),
): string[] {
  const here = rows.filter((row) => row.where.includes(place));
  const unknown = found.filter((one) => !here.some((row) => isOf(row, one.asked) && row.here === one.ours));
  const questions = [...asked];
  const gone = here.filter(
    (row) =>
      questions.some((name) => isOf(row, name)) &&
      !found.some((one) => isOf(row, one.asked) && row.here === one.ours),
  );
  return [
    ...unknown.map((one) => `${place}: ${one.asked}: ${one.ours}, with runc ${one.runc}: not in the docs`),
    ...gone.map((row) => `${place}: ${row.asked}: ${row.here}: in the docs, but not so`),
  ];
}

function isOf({ asked }: Row, name: string): boolean {
  const pattern = asked.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${pattern.join('.*')}$`).test(name);
}
