// The machine around an agent: what the agent's client knows of it, and what it says when the agent is lost.
import type { Duplex } from 'node:stream';
import { Code, type Connection } from 'ttrpc-ts';
import { delay } from '../base/delay.ts';
import { cleanText } from './agent-error.ts';

/** A VM as far as reaching its agent goes; src/vm's Vm fits. */
export interface AgentHost {
  /** Channel to the agent; what is written before the guest listens is held. */
  readonly agent: Duplex;
  readonly exited: Promise<{ readonly reason: string }>;
  /** The end of the guest's console, for the errors of a guest that does not boot or is lost. */
  console(): string;
}

const consoleLines = 20;
/** How long the VM may take to say why the agent's connection has closed. */
const exitMs = 1_000;

/** The last lines of the guest's console, as a part of an error. */
export function consoleTail(host: AgentHost): string {
  const lines = host.console().trimEnd().split('\n').slice(-consoleLines).join('\n');
  return lines === '' ? 'its console is empty' : `last lines of its console:\n${lines}`;
}

/** What the guest sent that closed the connection; undefined when it ended otherwise, or is up. */
export function breachOf({ closeError }: Connection): string | undefined {
  if (closeError?.code !== Code.ResourceExhausted) return undefined;
  return `the guest broke its protocol: ${cleanText(closeError.message)}`;
}

/** Why a connection has closed: the VM's own words, which come a moment after the connection's end, or the guest's. */
export async function endOf(host: AgentHost, connection: Connection): Promise<string> {
  const breach = breachOf(connection);
  if (breach !== undefined) return breach;
  const exit = await Promise.race([host.exited, delay(exitMs)]);
  if (exit !== undefined) return `the VM ended: ${exit.reason}`;
  return `${cleanText(connection.closeError?.message ?? '')}; ${consoleTail(host)}`;
}
