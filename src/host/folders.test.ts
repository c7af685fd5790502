import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { makeFolders } from './folders.ts';

test('makes what is missing, twice, with the mode', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'folders-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'a/b/c');
  makeFolders(path, 0o700);
  makeFolders(path, 0o700);
  assert.equal(statSync(path).mode & 0o777, 0o700);
});

test('where nothing can be made it says so, at once', () => {
  assert.throws(() => makeFolders('/proc/no-such/folder', 0o700), /ENOENT/);
});
