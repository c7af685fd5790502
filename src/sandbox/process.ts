/** One process that containerd knows: the init of a container or an exec in it. Owns its state and its stdio. */
import type { GuestStreams } from '../agent/streams.ts';
import { ShimError } from '../base/errors.ts';
import { type Exit, next, type ProcessEvent, type ProcessState } from './process-state.ts';

export type { GuestStreams };

/** What a process needs of its standard streams; src/shim/stdio implements it. */
export interface ProcessIo {
  start(streams: GuestStreams): void;
  closeStdin(): void;
  drain(limits: { quietMs?: number; stalledMs: number; limitMs: number }): Promise<'drained' | 'stalled'>;
  close(): Promise<void>;
}

/** The stdio part of a Create or Exec request, echoed verbatim by State. */
export interface StdioPaths {
  readonly stdin: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly terminal: boolean;
}

export interface TerminalSize {
  readonly width: number;
  readonly height: number;
}

export class Process {
  readonly containerId: string;
  /** Empty for the init. */
  readonly execId: string;
  readonly paths: StdioPaths;
  readonly io: ProcessIo;
  /** A resize that came before the start, applied after it. */
  pendingSize: TerminalSize | undefined;
  #state: ProcessState = { t: 'created' };
  #end: Exit | undefined;
  readonly #ended = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<Exit>();
  readonly #started = Promise.withResolvers<void>();

  constructor(containerId: string, execId: string, paths: StdioPaths, io: ProcessIo) {
    this.containerId = containerId;
    this.execId = execId;
    this.paths = paths;
    this.io = io;
  }

  get state(): ProcessState {
    return this.#state;
  }

  get name(): string {
    return this.execId === ''
      ? `container ${this.containerId}`
      : `exec ${this.execId} of container ${this.containerId}`;
  }

  /** Has the process come to its end, however it got there? */
  get isOver(): boolean {
    return this.#state.t === 'exited' || this.#state.t === 'failed' || this.#state.t === 'deleted';
  }

  /** Its exit, once it is over. */
  get exit(): Exit | undefined {
    return 'exit' in this.#state ? this.#state.exit : undefined;
  }

  /** Resolves when the process is no more, which can be long before its exit is reported. */
  get hasEnded(): Promise<void> {
    return this.#ended.promise;
  }

  /** Resolves at the exit, for every waiter, however late. */
  get exited(): Promise<Exit> {
    return this.#exited.promise;
  }

  /** Resolves when a start that is under way has been reported, so that no exit is published before its start. */
  async startReported(): Promise<void> {
    if (this.#state.t === 'starting') await this.#started.promise;
  }

  /** Call after the start was published, or has failed. */
  reportStart(): void {
    this.#started.resolve();
  }

  /** Notes its end, before that is reported; of several the first is true: a dying VM changes no status. */
  ended(status: number): Exit {
    this.#end ??= { status, at: new Date() };
    this.#ended.resolve();
    return this.#end;
  }

  /** @throws ShimError when the event does not fit the state. */
  apply(event: ProcessEvent): void {
    this.#state = next(this.name, this.#state, event);
    if (!('exit' in this.#state)) return;
    this.#ended.resolve();
    this.#exited.resolve(this.#state.exit);
  }

  /** @throws ShimError `not-found` when that has been done, `failed-precondition` while it runs. */
  requireDeletable(): void {
    if (this.#state.t === 'deleted') throw new ShimError('not-found', `${this.name} was deleted: not found`);
    next(this.name, this.#state, { t: 'delete' });
  }
}
