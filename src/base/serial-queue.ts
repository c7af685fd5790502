/** Runs commands one after the other, in the order they came. */
export class SerialQueue {
  #tail: Promise<unknown> = Promise.resolve();

  /** Resolves or rejects as the command does; a failed command does not hold up the next. */
  run<T>(command: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(command);
    this.#tail = result.catch(() => undefined);
    return result;
  }
}
