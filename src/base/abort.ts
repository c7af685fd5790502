/** Calls back when the signal aborts, or at once when it has; not any more once the result is disposed of. */
export function onAbort(signal: AbortSignal, then: () => void): Disposable {
  if (signal.aborted) then();
  else signal.addEventListener('abort', then, { once: true });
  return { [Symbol.dispose]: () => signal.removeEventListener('abort', then) };
}
