// The README: its examples are those in examples/, and they work. It and the API agree.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { withExamples } from '../scripts/readme.ts';
import { socketPath } from './support.ts';

const root = join(import.meta.dirname, '..');
const readme = readFileSync(join(root, 'README.md'), 'utf8');

async function run(example: string, ...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(root, 'examples', example), ...args], {
    timeout: 20_000,
  });
  return stdout;
}

test('the examples in the README are those tested here', () => {
  assert.equal(readme, withExamples(readme), 'run `node scripts/readme.ts`');
});

test('server and client', async () => {
  const path = socketPath();
  const server = spawn(process.execPath, [join(root, 'examples/server.ts'), path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(server.stdout, 'data');
  assert.equal(await run('client.ts', path), 'Hello World\nHallo Welt\nname is empty\n');
  const exit = once(server, 'exit');
  server.kill('SIGTERM');
  assert.deepEqual(await exit, [0, null]);
});

test('streaming', async () => {
  const expected = 'sum 6\nsquare 1\nsquare 4\nsquare 9\ncount 1\ncount 2\n';
  assert.equal(await run('streaming.ts'), expected);
});

test('the README names every export', () => {
  const section = readme.slice(readme.indexOf('## API'), readme.indexOf('## Speed'));
  const index = readFileSync(join(root, 'src/index.ts'), 'utf8');
  const listed = [...index.matchAll(/\{([^}]*)\}/g)].flatMap(([, names]) =>
    (names ?? '').split(',').map((name) => name.replace('type ', '').trim()),
  );
  for (const name of listed.filter((n) => n !== '')) assert.match(section, new RegExp(`\\b${name}\\b`), name);
});
