// Restarts of one id leave nothing and never fail: some here, 200 in `make test-faults`.
import { test } from 'node:test';
import { restartContainer, restartTask } from '../support/restarts.ts';

const ROUNDS = 10;

test(`${ROUNDS} containers of one id, one after the other`, { timeout: 280_000 }, () =>
  restartContainer(ROUNDS),
);
test(`${ROUNDS} tasks of one container`, { timeout: 280_000 }, () => restartTask(ROUNDS));
