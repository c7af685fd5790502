/** A guest that does what it is told, when the test lets it; its agent is a real server (agent/testing). Not shipped. */
import { EventEmitter, once } from 'node:events';
import { type AgentHandlers, type PlayedAgent, playAgent } from '../../agent/testing/played-agent.ts';
import { AgentService } from '../../gen/agent.ts';

interface Request {
  readonly containerId: string;
  readonly execId: string;
  readonly signal: number;
}

const SIGKILL = 9;

export class PlayedGuest {
  /** Every call so far: `createSandbox`, `startContainer c`. */
  readonly calls: string[] = [];
  /** Errors to answer with, by a call's method or by the call. */
  readonly fails = new Map<string, Error>();
  /** Does not carry out a SIGKILL. */
  isDeaf = false;
  readonly #holds = new Map<string, Promise<void>>();
  readonly #seen = new EventEmitter();
  readonly #waits = new Map<string, PromiseWithResolvers<number>>();
  readonly #ooms: string[] = [];
  #oom = Promise.withResolvers<void>();

  /** Calls of the method, or the call, get no answer until the returned function is called. */
  hold(call: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#holds.set(call, promise);
    return () => {
      this.#holds.delete(call);
      resolve();
    };
  }

  /** Resolves when the call has come, now or before. */
  async called(call: string): Promise<void> {
    if (!this.calls.includes(call)) await once(this.#seen, call);
  }

  /** A process ends by itself; the init unless an exec is named. */
  exit(containerId: string, status: number, execId = ''): void {
    this.#wait(containerId, execId).resolve(status);
  }

  outOfMemory(containerId: string): void {
    this.#ooms.push(containerId);
    this.#oom.resolve();
  }

  /** The agent of a VM that starts. */
  agent(): PlayedAgent {
    const names = Object.keys(AgentService.methods);
    const handlers = names.map((name) => [name, (request: Request) => this.#handle(name, request)] as const);
    return playAgent(Object.fromEntries(handlers) as AgentHandlers);
  }

  async #handle(method: string, request: Request): Promise<object> {
    const call = request.containerId ? `${method} ${request.containerId}` : method;
    this.calls.push(call);
    this.#seen.emit(call);
    await (this.#holds.get(call) ?? this.#holds.get(method));
    const error = this.fails.get(call) ?? this.fails.get(method);
    if (error !== undefined) throw error;
    return (await this.#carryOut(method, request)) ?? {};
  }

  async #carryOut(method: string, { containerId, execId, signal }: Request): Promise<object | undefined> {
    switch (method) {
      case 'waitProcess':
        return { status: await this.#wait(containerId, execId).promise };
      case 'signalProcess':
        if (signal === SIGKILL && !this.isDeaf) this.#kill(containerId, execId);
        return undefined;
      case 'removeContainer':
        this.#kill(containerId, '');
        return undefined;
      case 'getOOMEvent':
        if (this.#ooms.length === 0) await this.#oom.promise;
        this.#oom = Promise.withResolvers();
        return { containerId: this.#ooms.shift() ?? '' };
      case 'readStdout':
      case 'readStderr':
        return { data: new Uint8Array() };
      default:
        return undefined;
    }
  }

  /** @param target no process for all, the container's id for its init. */
  #kill(containerId: string, target: string): void {
    for (const [key, wait] of this.#waits) {
      const [id, execId] = key.split('/');
      if (id === containerId && (target === '' || (execId || id) === target)) wait.resolve(128 + SIGKILL);
    }
  }

  #wait(containerId: string, execId: string): PromiseWithResolvers<number> {
    const key = `${containerId}/${execId}`;
    const wait = this.#waits.get(key) ?? Promise.withResolvers<number>();
    this.#waits.set(key, wait);
    return wait;
  }
}
