import assert from 'node:assert/strict';
import type { Stats } from 'node:fs';
import { test } from 'node:test';
import { Looks, looks } from './look.ts';

test('a file, a folder, nothing', async () => {
  assert.equal((await looks.at('/etc/passwd'))?.isFile(), true);
  assert.equal((await looks.at('/etc/'))?.isDirectory(), true);
  assert.equal(await looks.at('/no/such'), undefined);
  assert.equal(await looks.at('/etc/passwd/x'), undefined);
});

test('a file system that hangs is given up, twice at most, until it answers', async () => {
  const waiting = new Map<string, (stats: Stats) => void>();
  const asked: string[] = [];
  const stats = {} as Stats;
  const some = new Looks({
    lookMs: 20,
    stat: (path) => {
      asked.push(path);
      if (!path.startsWith('/hung')) return Promise.resolve(stats);
      return new Promise((resolve) => waiting.set(path, resolve));
    },
  });
  await assert.rejects(some.at('/hung/a'), {
    code: 'unavailable',
    message: /of \/hung\/a did not answer within 20 ms/,
  });
  assert.equal(await some.at('/alive'), stats);
  await assert.rejects(some.at('/hung/a'), /\/hung\/a is not looked at: \/hung\/a did not answer/);
  await assert.rejects(some.at('/hung/b'), /did not answer within/);
  await assert.rejects(some.at('/alive'), /not looked at: \/hung\/a and \/hung\/b did not answer/);
  assert.deepEqual(asked, ['/hung/a', '/alive', '/hung/b'], 'no thread more is lost');
  assert.ok(some.isHanging);
  waiting.get('/hung/b')!(stats);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(await some.at('/alive'), stats);
});
