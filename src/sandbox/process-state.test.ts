import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ShimError } from '../base/errors.ts';
import { next, type ProcessEvent, type ProcessState } from './process-state.ts';

const exit = { status: 3, at: new Date(0) };
const states: ProcessState[] = [
  { t: 'created' },
  { t: 'starting' },
  { t: 'running' },
  { t: 'failed', exit },
  { t: 'exited', exit },
  { t: 'deleted', exit },
];
const events: ProcessEvent[] = [
  { t: 'start' },
  { t: 'started' },
  { t: 'start failed', exit },
  { t: 'exit', exit },
  { t: 'delete' },
];

/** Rows: states; columns: events; `-` is refused. */
const matrix = [
  ['starting', '-', '-', 'exited', 'deleted'],
  ['-', 'running', 'failed', 'exited', '-'],
  ['-', '-', '-', 'exited', '-'],
  ['-', '-', '-', 'exited', 'deleted'],
  ['-', '-', '-', '-', 'deleted'],
  ['-', '-', '-', '-', '-'],
];

for (const [row, state] of states.entries()) {
  for (const [column, event] of events.entries()) {
    const expected = matrix[row]![column]!;
    test(`${event.t} of a process that is ${state.t}: ${expected === '-' ? 'refused' : expected}`, () => {
      if (expected !== '-') assert.equal(next('exec a', state, event).t, expected);
      else {
        assert.throws(
          () => next('exec a', state, event),
          (error) =>
            error instanceof ShimError &&
            error.code === 'failed-precondition' &&
            /exec a/.test(error.message),
        );
      }
    });
  }
}

test('the exit status survives until after the delete', () => {
  const exited = next('x', { t: 'running' }, { t: 'exit', exit });
  assert.deepEqual(next('x', exited, { t: 'delete' }), { t: 'deleted', exit });
});
