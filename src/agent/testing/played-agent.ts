/** A fake guest for tests of the agent's client: a real ttrpc server at the other end of a channel. Not shipped. */
import { type Duplex, duplexPair } from 'node:stream';
import { type Handlers, Server } from 'ttrpc-ts';
import { AgentService, HealthService } from '../../gen/agent.ts';
import type { AgentHost } from '../agent-host.ts';

export type AgentHandlers = Handlers<typeof AgentService>;

export interface PlayedAgent {
  readonly host: AgentHost;
  readonly server: Server;
  /** The guest's end of the channel. */
  readonly far: Duplex;
  /** Lets the VM die. */
  die(reason: string): void;
}

export interface PlayedAgentOptions {
  readonly version?: string;
  /** The health check's status; 1 is SERVING. */
  readonly status?: 0 | 1 | 2;
  /** The shim's end and the guest's. */
  readonly channel?: readonly [Duplex, Duplex];
}

export function playAgent(
  handlers: AgentHandlers,
  { version = 'bulkhead-agent/0.1.0', status = 1, channel = duplexPair() }: PlayedAgentOptions = {},
): PlayedAgent {
  const [near, far] = channel;
  const { promise: exited, resolve } = Promise.withResolvers<{ reason: string }>();
  const server = new Server();
  server.add(HealthService, {
    check: () => ({ status }),
    version: () => ({ grpcVersion: '0.0.1', agentVersion: version }),
  });
  server.add(AgentService, handlers);
  server.accept(far);
  return {
    host: { agent: near, exited, console: () => 'first line\nKernel panic\n' },
    server,
    far,
    die(reason) {
      resolve({ reason });
      far.destroy();
      near.destroy();
    },
  };
}
