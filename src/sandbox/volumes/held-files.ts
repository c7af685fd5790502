/**
 * Files that the guest remembers and the host has to hold as long: when the file system daemon says that they are many, the
 * guest is asked to forget. One that does not gets ENFILE, from the daemon.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { GuestAgent } from '../../agent/agent.ts';
import { messageOf } from '../../base/errors.ts';
import { GuestService } from '../../gen/guest.ts';
import type { Vm } from '../../vm/hypervisor.ts';
import type { Logger } from '../request.ts';

/** Between two questions, whatever the daemon says: what it says meanwhile it says again when it still holds. */
const PAUSE_MS = 100;

type Ask = (withContent: boolean) => Promise<void>;
type Log = (message: string, fields: Record<string, unknown>) => void;

/** For as long as the VM lives. Agents of others do not know the call; that is logged, and such guests get ENFILE. */
export function forgetWhenMany(
  { vm, agent }: { readonly vm: Vm; readonly agent: GuestAgent },
  timeoutMs: number,
  log: Logger,
): void {
  const guest = agent.client(GuestService);
  const held = new HeldFiles(
    async (withContent) => {
      await guest.forgetFiles({ withContent }, { timeoutMs });
    },
    (message, fields) => log('warn', message, fields),
  );
  vm.onManyFiles((again) => void held.tooMany(again));
}

export class HeldFiles {
  readonly #ask: Ask;
  readonly #log: Log;
  #isAsking = false;
  #hasFailed = false;

  /**
   * @param ask asks the guest; rejects when it cannot.
   * @param log for the first time that it could not.
   */
  constructor(ask: Ask, log: Log) {
    this.#ask = ask;
    this.#log = log;
  }

  /** @param again the guest was asked before: content that it has read keeps files from being forgotten. */
  async tooMany(again: boolean): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    try {
      await this.#ask(again);
    } catch (error) {
      if (!this.#hasFailed) this.#log('the guest does not forget files', { error: messageOf(error) });
      this.#hasFailed = true;
    }
    await sleep(PAUSE_MS, undefined, { ref: false });
    this.#isAsking = false;
  }
}
