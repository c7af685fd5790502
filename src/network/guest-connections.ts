// TCP connections to ports of the guest's loopback, carried over the agent's channel.
import { type Client, Code } from 'ttrpc-ts';
import type { GuestAgent } from '../agent/agent.ts';
import { AgentError, agentError } from '../agent/agent-error.ts';
import { GuestService } from '../gen/guest.ts';

/** One connection. Each direction allows one caller at a time. */
export interface GuestConnection {
  /** Waits for data without limit; undefined is EOF. @throws AgentError */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when the guest has taken all data, which its peer may delay forever. @throws AgentError */
  write(data: Uint8Array): Promise<void>;
  /** Shuts down our side: nothing more will be written. @throws AgentError */
  end(): Promise<void>;
  /** Closes the connection in both directions; never rejects. */
  close(): Promise<void>;
}

/** Bytes per message: large enough to be cheap, small enough to let the channel's other calls through in between. */
const CHUNK_BYTES = 64 * 1024;

export class GuestConnections {
  readonly #client: Client<typeof GuestService>;
  readonly #requestMs: number;
  #lastId = 0;

  /** @param requestMs limit of calls that do not wait for the peer, in ms. */
  constructor(agent: Pick<GuestAgent, 'client'>, requestMs: number) {
    this.#client = agent.client(GuestService);
    this.#requestMs = requestMs;
  }

  /**
   * Connects to a port of the guest's loopback.
   * @param ipv6 try ::1 before 127.0.0.1.
   * @throws AgentError when nobody listens there, or the agent does not have that call.
   */
  async dial(port: number, ipv6: boolean): Promise<GuestConnection> {
    const id = ++this.#lastId;
    const what = `connecting to port ${port} in the guest`;
    const limit = { timeoutMs: this.#requestMs };
    try {
      await this.#client.dial({ id, port, ipv6 }, limit);
    } catch (thrown) {
      // The guest may have connected nevertheless.
      if (agentError(what, thrown, limit.timeoutMs).code === Code.DeadlineExceeded) void this.#close(id);
      throw agentError(what, thrown, limit.timeoutMs);
    }
    return this.#connection(id, port);
  }

  #connection(id: number, port: number): GuestConnection {
    const named = async <T>(what: string, call: Promise<T>): Promise<T> => {
      try {
        return await call;
      } catch (thrown) {
        throw agentError(`${what} port ${port} of the guest`, thrown, undefined);
      }
    };
    return {
      read: async () => {
        const { data } = await named('reading', this.#client.readConnection({ id, len: CHUNK_BYTES }));
        if (data.length > CHUNK_BYTES) {
          throw new AgentError(
            Code.Internal,
            `reading from port ${port} in the guest: more than was asked for`,
          );
        }
        return data.length === 0 ? undefined : data;
      },
      write: async (data) => {
        for (let at = 0; at < data.length; at += CHUNK_BYTES) {
          const chunk = data.subarray(at, at + CHUNK_BYTES);
          await named('writing', this.#client.writeConnection({ id, data: chunk }));
        }
      },
      end: async () => {
        await named('ending', this.#client.writeConnection({ id, end: true }));
      },
      close: () => this.#close(id),
    };
  }

  async #close(id: number): Promise<void> {
    // It fails when the agent is gone, and so is the connection then.
    await this.#client.closeConnection({ id }, { timeoutMs: this.#requestMs }).catch(() => undefined);
  }
}
