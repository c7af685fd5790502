import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { GuestAgent } from '../agent/agent.ts';
import { keepGuestClock, setGuestClock } from './guest-clock.ts';

/** An agent whose answers take so long, one after the other; a negative time is an error. */
function agent(...tookMs: number[]): { agent: Pick<GuestAgent, 'call'>; asked: number[] } {
  const asked: number[] = [];
  const call = (_: string, __: string, { sec, usec }: { sec: bigint; usec: bigint }) => {
    asked.push(Number(sec) * 1_000 + Number(usec) / 1_000);
    const ms = tookMs[asked.length - 1] ?? 0;
    if (ms < 0) return Promise.reject(new Error('Unimplemented'));
    now += ms;
    return Promise.resolve({});
  };
  return { agent: { call: call as never }, asked };
}

let now = 0;
mock.method(performance, 'now', () => now);
const quiet = () => undefined;

test("the host's time is sent, once when the answer is quick", async () => {
  const before = Date.now();
  const { agent: quick, asked } = agent(5);
  await setGuestClock(quick, quiet);
  assert.equal(asked.length, 1);
  assert.ok(asked[0]! >= before && asked[0]! <= Date.now());
});

test('after a slow answer it is sent again, but not for ever', async () => {
  const second = agent(200, 5);
  await setGuestClock(second.agent, quiet);
  assert.equal(second.asked.length, 2);
  const never = agent(200, 200, 200, 200, 200);
  await setGuestClock(never.agent, quiet);
  assert.equal(never.asked.length, 3);
});

test('an agent that cannot is no reason to fail', async () => {
  const messages: string[] = [];
  const { agent: other, asked } = agent(-1);
  await setGuestClock(other, (_, message) => messages.push(message));
  assert.equal(asked.length, 1);
  assert.deepEqual(messages, ["the guest's clock could not be set"]);
});

test('it is kept right until that is ended', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { agent: kept, asked } = agent(0, -1);
  const end = keepGuestClock(kept, 1_000);
  t.mock.timers.tick(3_000);
  assert.equal(asked.length, 3);
  end();
  t.mock.timers.tick(5_000);
  assert.equal(asked.length, 3);
});
