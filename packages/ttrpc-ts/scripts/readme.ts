// Copies the examples into the README: `node scripts/readme.ts`. A test checks that this was done.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** The README with the text of each example after the comment that names it. */
export function withExamples(readme: string): string {
  return readme.replaceAll(/<!-- (examples\/[\w-]+\.ts) -->\n```ts\n[\s\S]*?```/g, (_, file: string) => {
    const text = readFileSync(join(root, file), 'utf8');
    return `<!-- ${file} -->\n\`\`\`ts\n${text}\`\`\``;
  });
}

if (import.meta.main) {
  const path = join(root, 'README.md');
  writeFileSync(path, withExamples(readFileSync(path, 'utf8')));
}
