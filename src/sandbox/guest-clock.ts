/**
 * The guest's clock follows the host's. Its own begins with the whole seconds of an emulated real-time clock, and then
 * runs as exactly as the guest has measured its processor: docs/limits.md has figures.
 */
import type { GuestAgent } from '../agent/agent.ts';
import { GuestService } from '../gen/guest.ts';
import type { Logger } from './request.ts';

/** An answer that took longer leaves the clock too wrong, by at most this time. */
const GOOD_MS = 30;
/** Calls at the boot; a host so busy that none is quick has other troubles. */
const ATTEMPTS = 3;
/** How long a clock is left to itself: that of a guest that has just been stopped for a while may have stood still. */
const KEEP_MS = 10_000;
/** The same where it can only be set, not read: a time of day that is late, because the VM is stopped, sets it back. */
const KEEP_OTHER_MS = 10 * 60_000;
/** A clock that is wrong by less, as far as one can tell, is left alone. */
const FINE_MS = 5;

type Agent = Pick<GuestAgent, 'call'>;
type KeptAgent = Pick<GuestAgent, 'call' | 'client' | 'isOurs'>;

/**
 * Sets the clock of a guest that has just booted. Never rejects: another agent may not be able to, and a wrong clock is
 * no reason to have no container.
 */
export async function setGuestClock(agent: Agent, log: Logger): Promise<void> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
    const tookMs = await setOnce(agent).catch((error: unknown) => {
      log('debug', "the guest's clock could not be set", { error: String(error) });
      return 0;
    });
    if (tookMs <= GOOD_MS) return;
  }
}

/**
 * Looks at it now and then, and moves it when it is wrong. Costs nothing to speak of (docs/limits.md).
 * @param requestMs how long a look may take; a guest that is stopped does not answer.
 * @returns what ends that.
 */
export function keepGuestClock(agent: KeptAgent, requestMs: number, everyMs?: number): () => void {
  const keep = agent.isOurs ? clockKeeper(agent, requestMs) : () => setOnce(agent);
  const period = everyMs ?? (agent.isOurs ? KEEP_MS : KEEP_OTHER_MS);
  let isBusy = false;
  const timer = setInterval(() => {
    if (isBusy) return;
    isBusy = true;
    void keep()
      .catch(() => undefined)
      .then(() => {
        isBusy = false;
      });
  }, period);
  timer.unref();
  return () => clearInterval(timer);
}

/** The answer tells the guest's time at some moment between question and answer; only what is surely wrong is moved. */
function clockKeeper(agent: KeptAgent, timeoutMs: number): () => Promise<void> {
  const guest = agent.client(GuestService);
  const ask = async (addNs: bigint) => {
    const begin = performance.now();
    const asked = Date.now();
    const { timeNs } = await guest.adjustClock({ addNs }, { timeoutMs });
    const tookMs = performance.now() - begin;
    const aheadMs = Number(timeNs / 1_000n) / 1_000 - (asked + tookMs / 2);
    const isQuick = tookMs <= GOOD_MS;
    const sureMs = Math.abs(aheadMs) - tookMs / 2;
    const wrongMs = sureMs < FINE_MS ? 0 : isQuick ? aheadMs : Math.sign(aheadMs) * sureMs;
    return { isQuick, wrongMs };
  };
  return async () => {
    let addNs = 0n;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const { isQuick, wrongMs } = await ask(addNs);
      if (isQuick && wrongMs === 0) return;
      addNs = BigInt(Math.round(-wrongMs * 1_000)) * 1_000n;
    }
  };
}

/** @returns how long it took: the guest's clock is behind by less. */
async function setOnce(agent: Agent): Promise<number> {
  const begin = performance.now();
  const now = Date.now();
  await agent.call('setGuestDateTime', "setting the guest's clock", {
    sec: BigInt(Math.floor(now / 1_000)),
    usec: BigInt((now % 1_000) * 1_000),
  });
  return performance.now() - begin;
}
