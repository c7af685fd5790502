/** Runs commands one at a time, in the order they were queued. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();

  /** Settles as the command does; a command that fails does not hold up the next. */
  run<T>(command: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(command);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
