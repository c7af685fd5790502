import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filesArgv } from './files.ts';

test('the daemon gets the folder as its jail shows it, and the number of files that a guest may hold', () => {
  const shared = { dir: '/run/a,b', program: '/lib/bulkhead-files', mostFiles: 16_384 };
  assert.deepEqual(filesArgv(shared), ['/lib/bulkhead-files', '/share', '16384']);
});
