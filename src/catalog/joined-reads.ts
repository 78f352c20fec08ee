/**
 * The same read for several at once: who asks for what is being read waits for the next read of it, together with all who
 * come meanwhile. So what he gets was read after he asked, and a target is asked each thing once at a time.
 */
import type { Catalog, ReadOptions } from '../engines/catalog.ts';
import { AppError } from '../lib/errors.ts';
import { untilAborted } from '../lib/until-aborted.ts';

interface Flight<Value> {
  readonly value: Promise<Value>;
  /** Nobody waits for it any more: it ends, and nobody may join it. */
  readonly abandoned: AbortSignal;
  join(signal: AbortSignal): Promise<Value>;
}

interface Place {
  /** Nobody may join it: it has begun. */
  readonly running: Flight<unknown>;
  next: Flight<unknown> | null;
}

export type JoinedReads = ReturnType<typeof createJoinedReads>;

export function createJoinedReads() {
  const places = new Map<string, Place>();

  function flightOf<Value>(begin: (signal: AbortSignal) => Promise<Value>): Flight<Value> {
    const abandoned = new AbortController();
    let waiting = 0;
    const value = begin(abandoned.signal);
    // Whoever waits is told; nobody may.
    value.catch(() => undefined);
    return {
      value,
      abandoned: abandoned.signal,
      async join(signal) {
        waiting += 1;
        try {
          return await untilAborted(value, signal);
        } finally {
          waiting -= 1;
          if (waiting === 0) abandoned.abort(new AppError('TIMEOUT', 'Nobody waits for this read any more'));
        }
      },
    };
  }

  function land(key: string, place: Place): void {
    if (place.next) start(key, place.next);
    else places.delete(key);
  }

  function start(key: string, flight: Flight<unknown>): void {
    const place: Place = { running: flight, next: null };
    places.set(key, place);
    const end = () => land(key, place);
    flight.value.then(end, end);
  }

  /** @param key two reads with the same one are the same read */
  return <Value>(
    key: string,
    read: (options: { signal: AbortSignal }) => Promise<Value>,
    { signal }: { signal: AbortSignal },
  ): Promise<Value> => {
    if (signal.aborted) return Promise.reject(signal.reason);
    const place = places.get(key);
    if (!place) {
      const flight = flightOf((abandoned) => read({ signal: abandoned }));
      start(key, flight);
      return flight.join(signal);
    }
    if (!place.next || place.next.abandoned.aborted) {
      place.next = flightOf(async (abandoned) => {
        await place.running.value.catch(() => undefined);
        abandoned.throwIfAborted();
        return read({ signal: abandoned });
      });
    }
    return (place.next as Flight<Value>).join(signal);
  };
}

/** A catalogue whose reads are joined with those of others under the same `source`. */
export function joinedCatalog({
  source,
  read,
  joined,
}: {
  /** Of the database and its credentials. */
  readonly source: string;
  read<Value>(work: (catalog: Catalog) => Promise<Value>, options: ReadOptions): Promise<Value>;
  readonly joined: JoinedReads;
}): Catalog {
  return new Proxy({} as Catalog, {
    get(_target, method) {
      // A promise it is not, nor anything to be disposed of.
      if (typeof method === 'symbol' || method === 'then') return undefined;
      return (...given: unknown[]) => {
        const { signal, ...options } = given.at(-1) as ReadOptions;
        const args = given.slice(0, -1);
        const key = JSON.stringify([source, method, args, options]);
        const ask = (catalog: Catalog, shared: ReadOptions) =>
          (catalog[method as keyof Catalog] as (...args: unknown[]) => Promise<unknown>)(...args, {
            ...options,
            ...shared,
          });
        return joined(key, (shared) => read((catalog) => ask(catalog, shared), shared), { signal });
      };
    },
  });
}
