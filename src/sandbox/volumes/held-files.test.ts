import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { HeldFiles } from './held-files.ts';

test('one question at a time, and a pause after each', async () => {
  const asked: boolean[] = [];
  const answer = Promise.withResolvers<void>();
  const held = new HeldFiles(
    async (withContent) => {
      asked.push(withContent);
      await answer.promise;
    },
    () => assert.fail('nothing to tell'),
  );
  const first = held.tooMany(false);
  await held.tooMany(true);
  answer.resolve();
  await sleep(0);
  await held.tooMany(true);
  assert.deepEqual(asked, [false]);
  await first;
  await held.tooMany(true);
  assert.deepEqual(asked, [false, true]);
});

test('a guest that cannot is told of once', async () => {
  const told: string[] = [];
  const held = new HeldFiles(
    () => Promise.reject(new Error('Unimplemented')),
    (message) => told.push(message),
  );
  await held.tooMany(false);
  await held.tooMany(false);
  assert.deepEqual(told, ['the guest does not forget files']);
});
