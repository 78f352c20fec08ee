/**
 * Many who wait for the end of one signal. An AbortSignal looks through all of its listeners for each that comes or goes,
 * and one of AbortSignal.any() through all that it is made of whenever it is asked: for thousands of streams that is most
 * of what they cost.
 */
const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/** @param then called once, at once where it has been aborted. @returns how to wait no longer */
export function onAborted(signal: AbortSignal, then: () => void): () => void {
  if (signal.aborted) {
    then();
    return () => undefined;
  }
  // One of its own for each call: somebody may wait twice with the same function.
  const call = () => then();
  const known = waiting.get(signal);
  const calls = known ?? new Set();
  calls.add(call);
  if (!known) {
    waiting.set(signal, calls);
    signal.addEventListener('abort', () => {
      for (const one of calls) one();
      calls.clear();
    });
  }
  return () => void calls.delete(call);
}
