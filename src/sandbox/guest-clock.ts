/**
 * The guest's clock follows the host's. Its own begins with the whole seconds of an emulated real-time clock, and then
 * runs as exactly as the guest has measured its processor: docs/limits.md has figures.
 */
import type { GuestAgent } from '../agent/agent.ts';
import type { Logger } from './request.ts';

/** An answer that took longer leaves the clock too wrong, by at most this time. */
const GOOD_MS = 30;
/** Calls at the boot; a host so busy that none is quick has other troubles. */
const ATTEMPTS = 3;
/** How long a clock is left to itself. */
const KEEP_MS = 10 * 60_000;

type Agent = Pick<GuestAgent, 'call'>;

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

/** Sets it again now and then. @returns what ends that. */
export function keepGuestClock(agent: Agent, everyMs = KEEP_MS): () => void {
  const timer = setInterval(() => void setOnce(agent).catch(() => undefined), everyMs);
  timer.unref();
  return () => clearInterval(timer);
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
