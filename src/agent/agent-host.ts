// The VM around an agent: what the agent's client needs from it, and how it explains the loss of the agent.
import type { Duplex } from 'node:stream';
import { Code, type Connection } from 'ttrpc-ts';
import { delay } from '../base/delay.ts';
import { cleanText } from './agent-error.ts';

/** The part of a VM that it takes to reach its agent; src/vm's Vm fits. */
export interface AgentHost {
  /** Channel to the agent; what is written before the guest listens is buffered. */
  readonly agent: Duplex;
  readonly exited: Promise<{ readonly reason: string }>;
  /** The end of the guest's console, for errors when the guest does not boot or is lost. */
  console(): string;
}

const consoleLines = 20;
/** How long to wait for the VM's exit, which says why the agent's connection has closed. */
const exitMs = 1_000;

/** The last lines of the guest's console, as part of an error. */
export function consoleTail(host: AgentHost): string {
  const lines = host.console().trimEnd().split('\n').slice(-consoleLines).join('\n');
  return lines === '' ? 'its console is empty' : `last lines of its console:\n${lines}`;
}

/** How the guest broke the protocol, if that closed the connection; undefined otherwise. */
export function breachOf({ closeError }: Connection): string | undefined {
  if (closeError?.code !== Code.ResourceExhausted) return undefined;
  return `the guest broke its protocol: ${cleanText(closeError.message)}`;
}

/** Why a connection has closed: the guest's breach, or the VM's exit reason, which may come a moment later. */
export async function endOf(host: AgentHost, connection: Connection): Promise<string> {
  const breach = breachOf(connection);
  if (breach !== undefined) return breach;
  const exit = await Promise.race([host.exited, delay(exitMs)]);
  if (exit !== undefined) return `the VM ended: ${exit.reason}`;
  return `${cleanText(connection.closeError?.message ?? '')}; ${consoleTail(host)}`;
}
