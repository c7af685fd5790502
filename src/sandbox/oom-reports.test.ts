import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { OomReports } from './oom-reports.ts';

function reports(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const told: string[] = [];
  const oom = new OomReports((id, count) => told.push(`${id} ${count}`));
  /** Time goes by, with so many events of a container in each millisecond. */
  const pass = (ms: number, id = '', each = 0): void => {
    for (let n = 0; n < ms; n++) {
      for (let one = 0; one < each; one++) oom.add(id);
      now++;
      t.mock.timers.tick(1);
    }
  };
  return { oom, told, pass };
}

test('the first is told at once, and again after a quiet time; of another container, too', (t) => {
  const { oom, told, pass } = reports(t);
  oom.add('a');
  oom.add('b');
  assert.deepEqual(told, ['a 1', 'b 1']);
  pass(1_001);
  oom.add('a');
  assert.deepEqual(told, ['a 1', 'b 1', 'a 1']);
});

test('a flood is told a handful of times, with its number, and never more than once a second', (t) => {
  const { told, pass } = reports(t);
  pass(100_000, 'a', 3);
  assert.deepEqual(told.slice(0, 3), ['a 1', 'a 2999', 'a 6000']);
  assert.ok(told.length <= 7, `${told.length} reports: ${told.join(', ')}`);
  pass(120_001);
  const count = told.reduce((sum, one) => sum + Number(one.split(' ')[1]), 0);
  assert.equal(count, 300_000, 'none is lost');
});

test('many containers together: bounded, and each one is told in the end', (t) => {
  const { oom, told, pass } = reports(t);
  for (let n = 0; n < 300; n++) oom.add(`c${n}`);
  assert.equal(told.length, 100);
  pass(1_000);
  assert.ok(told.length <= 110, `${told.length} after a second`);
  pass(400_000);
  assert.equal(new Set(told).size, 300);
});

test('nothing is told of a container that is gone, nor after the end', (t) => {
  const { oom, told, pass } = reports(t);
  for (const id of ['a', 'a', 'b', 'b']) oom.add(id);
  oom.release('a');
  pass(1_001);
  assert.deepEqual(told, ['a 1', 'b 1', 'b 1']);
  oom.add('b');
  oom.close();
  pass(10_000);
  assert.equal(told.length, 3);
});
