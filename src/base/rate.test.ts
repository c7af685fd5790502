import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rate } from './rate.ts';

test('a burst at once, then so many per second, and never more than a burst', (t) => {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const rate = new Rate({ burst: 10, perSecond: 2 });
  const taken = () => Array.from({ length: 100 }, () => rate.take()).filter(Boolean).length;
  assert.equal(taken(), 10);
  now += 3_000;
  assert.equal(taken(), 6);
  now += 3_600_000;
  assert.equal(rate.take(8), true);
  assert.equal(rate.take(3), false, 'what is refused is not counted');
  assert.equal(rate.take(2), true);
});
