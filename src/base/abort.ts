/** Calls `then` when the signal is aborted, at once if it already is; disposing of the result cancels that. */
export function onAbort(signal: AbortSignal, then: () => void): Disposable {
  if (signal.aborted) then();
  else signal.addEventListener('abort', then, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', then) };
}
