import assert from 'node:assert/strict';
import { mock, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
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
mock.method(Date, 'now', () => 1_700_000_000_000 + now);
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

/** A guest whose clock is `aheadMs` ahead; answers take so long, one after the other, before its clock is looked at. */
class Guest {
  readonly isOurs = true;
  readonly added: number[] = [];
  aheadMs: number;
  #tookMs: number[];

  constructor(aheadMs: number, ...tookMs: number[]) {
    this.aheadMs = aheadMs;
    this.#tookMs = tookMs;
  }

  call = (() => assert.fail('never set to a time of day')) as never;
  client = (() => ({ adjustClock: this.#adjust })) as never;

  readonly #adjust = async ({ addNs }: { addNs: bigint }) => {
    now += this.#tookMs[this.added.length] ?? 2;
    this.added.push(Number(addNs) / 1e6);
    this.aheadMs += Number(addNs) / 1e6;
    return { timeNs: BigInt(Math.round((Date.now() + this.aheadMs) * 1e3)) * 1_000n };
  };
}

/** One look of what keeps the clock. */
async function look(t: TestContext, guest: Guest): Promise<void> {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const end = keepGuestClock(guest, 30_000);
  t.mock.timers.tick(10_000);
  end();
  for (let turns = 0; turns < 10; turns++) await setImmediate();
  t.mock.timers.reset();
}

for (const [name, aheadMs, tookMs, asked] of [
  ['right', 3, [], 1],
  ['behind, as after a stop in which it stood still', -55_000, [], 2],
  ['ahead', 400, [], 2],
  ['right when the VM was stopped during the question', 0, [60_000], 2],
  ['behind when the VM was stopped during the question', -55_000, [60_000], 3],
] as const) {
  test(`a clock that is ${name} is right afterwards`, async (t) => {
    const guest = new Guest(aheadMs, ...tookMs);
    await look(t, guest);
    assert.ok(Math.abs(guest.aheadMs) < 6, `${guest.aheadMs} ms ahead`);
    assert.equal(guest.added.length, asked);
    if (Math.abs(aheadMs) < 5) assert.ok(guest.added.every((ms) => ms === 0));
  });
}

test('of a guest that answers slowly only what is surely wrong is moved', async (t) => {
  const slow = new Guest(0, 200, 200, 200);
  await look(t, slow);
  assert.deepEqual(slow.added, [0, 0, 0]);
  const ahead = new Guest(1_080, 200, 200, 200);
  await look(t, ahead);
  assert.equal(Math.round(ahead.aheadMs), 0);
});

test('the clock of another agent is set now and then, until that is ended', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const { agent: other, asked } = agent(0, -1);
  const end = keepGuestClock({ ...other, isOurs: false, client: undefined as never }, 30_000, 1_000);
  for (let ticks = 0; ticks < 3; ticks++) {
    t.mock.timers.tick(1_000);
    for (let turns = 0; turns < 5; turns++) await setImmediate();
  }
  assert.equal(asked.length, 3);
  end();
  t.mock.timers.tick(5_000);
  assert.equal(asked.length, 3);
});
