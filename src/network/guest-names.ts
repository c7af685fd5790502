// DNS queries of programs in the guest, which the host answers.
import { type Client, Code } from 'ttrpc-ts';
import type { GuestAgent } from '../agent/agent.ts';
import { AgentError, agentError } from '../agent/agent-error.ts';
import { GuestService } from '../gen/guest.ts';

/** A DNS message as it came from the guest; only its length has been checked. */
export interface NameQuery {
  readonly id: number;
  readonly message: Uint8Array;
  /** Whether it came over TCP, not UDP. */
  readonly tcp: boolean;
}

/** Limit of a message, over TCP or UDP. */
const MAX_MESSAGE_BYTES = 65_535;

export class GuestNames {
  readonly #client: Client<typeof GuestService>;
  readonly #requestMs: number;

  constructor(agent: Pick<GuestAgent, 'client'>, requestMs: number) {
    this.#client = agent.client(GuestService);
    this.#requestMs = requestMs;
  }

  /** Makes the guest listen on port 53 of one of its loopback addresses. @throws AgentError */
  async serve(address: string): Promise<void> {
    await this.#client.serveNames({ address }, { timeoutMs: this.#requestMs }).catch((thrown: unknown) => {
      throw agentError(`serving names on ${address} in the guest`, thrown, this.#requestMs);
    });
  }

  /** Waits for the next query, without limit. @throws AgentError when the agent is gone or breaks the protocol. */
  async next(): Promise<NameQuery> {
    const query = await this.#client.nextQuery({}).catch((thrown: unknown) => {
      throw agentError('waiting for a name query', thrown, undefined);
    });
    if (query.message.length > MAX_MESSAGE_BYTES)
      throw new AgentError(Code.Internal, `a name query of ${query.message.length} bytes`);
    return query;
  }

  /** Answers a query. @param message empty: there is no answer. @throws AgentError */
  async answer(id: number, message: Uint8Array): Promise<void> {
    await this.#client
      .answerQuery({ id, message }, { timeoutMs: this.#requestMs })
      .catch((thrown: unknown) => {
        throw agentError('answering a name query', thrown, this.#requestMs);
      });
  }
}
