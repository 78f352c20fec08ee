/**
 * One bus of doorbells. It says "there is something new about KEY", never what: readers fetch from the store, so a ring
 * that is lost costs a poll and one that comes twice costs a read. A transport carries rings to other processes.
 */

export interface BusTransport {
  /** Tells the other processes; best effort. */
  send(topic: string, key: string): void;
}

export interface Bus<Topic extends string> {
  /** Wakes the listeners of this process now and those of others soon. */
  ring(topic: Topic, key: string): void;
  /** Wakes the listeners of this process only: for a transport that hears another one ring. */
  ringHere(topic: string, key: string): void;
  /** Wakes the listeners of other processes only: for whoever has looked himself. */
  ringElsewhere(topic: Topic, key: string): void;
  /** @param key absent: every key of the topic. @returns how to stop listening */
  listen(topic: Topic, key: string | null, listener: (key: string) => void): () => void;
  /** Where rings go besides this process; set once, by the composition root. */
  connect(transport: BusTransport): void;
}

export function createBus<Topic extends string>(): Bus<Topic> {
  const listeners = new Map<string, Set<(key: string) => void>>();
  let transport: BusTransport | null = null;
  // NUL cannot be in a topic, so that no key is taken for the whole topic.
  const slot = (topic: string, key: string | null) => (key === null ? topic : `${topic}\0${key}`);

  function ringHere(topic: string, key: string): void {
    // Who keeps something of every key forgets it first: who listens to this one asks for it at once.
    for (const name of [slot(topic, null), slot(topic, key)]) {
      for (const listener of listeners.get(name) ?? []) listener(key);
    }
  }

  return {
    ringHere,
    ring(topic, key) {
      ringHere(topic, key);
      transport?.send(topic, key);
    },
    ringElsewhere: (topic, key) => transport?.send(topic, key),
    listen(topic, key, listener) {
      const name = slot(topic, key);
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(name) === set) listeners.delete(name);
      };
    },
    connect(other) {
      transport = other;
    },
  };
}

export interface Doorbell extends Disposable {
  /** Resolves at the next ring, at once for one since the last call, or after `pollMs` without any. @returns whether it rang */
  wait(pollMs: number, signal: AbortSignal): Promise<boolean>;
}

/** Many rings while nobody waits are one. @param topic several: one bell for all of them */
export function createDoorbell<Topic extends string>(
  bus: Bus<Topic>,
  topic: Topic | readonly Topic[],
  key: string | null,
): Doorbell {
  let rung = false;
  let wake: (() => void) | null = null;
  const topics: readonly Topic[] = typeof topic === 'string' ? [topic] : topic;
  const stops = topics.map((one) =>
    bus.listen(one, key, () => {
      rung = true;
      wake?.();
    }),
  );
  return {
    async wait(pollMs, signal) {
      if (!rung && !signal.aborted) {
        const { promise, resolve } = Promise.withResolvers<void>();
        const timer = setTimeout(resolve, pollMs);
        const onAbort = () => resolve();
        signal.addEventListener('abort', onAbort);
        wake = resolve;
        await promise;
        // Thousands of readers wait here for hours: neither may outlive its wait.
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        wake = null;
      }
      const rang = rung;
      rung = false;
      return rang;
    },
    [Symbol.dispose]() {
      for (const stop of stops) stop();
    },
  };
}
