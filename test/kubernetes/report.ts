// The answers as a Markdown table, in the order of the questions.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { repoRoot } from '../../scripts/stand/paths.ts';

/** One behaviour: what both sides answered, and why they may differ. */
export interface Row {
  readonly group: string;
  readonly name: string;
  readonly runc: string;
  readonly bulkhead: string;
  readonly why: string | undefined;
}

/** Writes `build/NAME.md` and prints it. */
export function report(name: string, heading: string, rows: readonly Row[]): void {
  const differ = rows.filter((row) => row.runc !== row.bulkhead);
  const groups = [...new Set(rows.map((row) => row.group))];
  const tables = groups.flatMap((group) => [
    `\n### ${group}\n`,
    '| | with runc | with bulkhead |',
    '|---|---|---|',
    ...rows.filter((row) => row.group === group).map(line),
  ]);
  const counts = `${rows.length} behaviours, ${rows.length - differ.length} the same, ${differ.length} differ.`;
  const text = `${heading}\n\n${counts}\n${tables.join('\n')}\n`;
  mkdirSync(join(repoRoot, 'build'), { recursive: true });
  writeFileSync(join(repoRoot, 'build', `${name}.md`), text);
  console.log(text);
}

function line({ name, runc, bulkhead, why }: Row): string {
  const ours = runc === bulkhead ? 'the same' : `**${cell(bulkhead)}**${why === undefined ? '' : `: ${why}`}`;
  return `| ${cell(name)} | ${cell(runc)} | ${ours} |`;
}

/** Longer answers are errors, whose beginning tells enough. */
function cell(text: string): string {
  const short = text.length > 200 ? `${text.slice(0, 200)}...` : text;
  return short.replace(/\s+/g, ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;').trim();
}
