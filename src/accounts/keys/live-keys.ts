/** The rows of keys that are shown, asked at every request and answered from memory for a moment. */
import type { Bus } from '../../lib/bus.ts';
import type { Topic } from '../../lib/topics.ts';
import type { LiveKey } from './store.ts';

/** A stream asks every four seconds: with this it hears within five of what nobody rang, too. */
const keptMs = 800;
/** A use is noted so seldom. */
const notedMs = 60_000;

export interface LiveKeysDeps {
  bus: Pick<Bus<Topic>, 'listen'>;
  /** Null when it is revoked, its user is disabled, or there is none. */
  load(id: string): Promise<LiveKey | null>;
  /** Never waited for. */
  noteUse(id: string): Promise<void>;
  /** Milliseconds that only rise. */
  elapsedMs?: () => number;
  /** Keys known at once. */
  maxEntries?: number;
}

export interface LiveKeys {
  /** As LiveKeysDeps.load(), less than a second old. */
  find(id: string): Promise<LiveKey | null>;
  /** It opened something. */
  used(id: string): void;
  /** Resolves when what was noted is written, or could not be. */
  stop(): Promise<void>;
}

interface Entry {
  readonly key: Promise<LiveKey | null>;
  readonly askedAt: number;
}

export function createLiveKeys({
  bus,
  load,
  noteUse,
  elapsedMs = () => performance.now(),
  maxEntries = 20_000,
}: LiveKeysDeps): LiveKeys {
  const entries = new Map<string, Entry>();
  const notedAt = new Map<string, number>();
  const noting = new Set<Promise<void>>();
  const unlisten = bus.listen('session.revoked', null, (id) => entries.delete(id));

  function keep<V>(map: Map<string, V>, id: string, value: V): void {
    map.delete(id);
    map.set(id, value);
    const [oldest] = map.keys();
    if (map.size > maxEntries && oldest !== undefined) map.delete(oldest);
  }

  function ask(id: string): Entry {
    const entry: Entry = { key: load(id), askedAt: elapsedMs() };
    keep(entries, id, entry);
    const forget = () => {
      if (entries.get(id) === entry) entries.delete(id);
    };
    // Ids that are made up must not push out those that are not.
    entry.key.then((key) => key ?? forget(), forget);
    return entry;
  }

  return {
    find(id) {
      const known = entries.get(id);
      return (known && elapsedMs() - known.askedAt < keptMs ? known : ask(id)).key;
    },
    used(id) {
      if (elapsedMs() - (notedAt.get(id) ?? Number.NEGATIVE_INFINITY) < notedMs) return;
      keep(notedAt, id, elapsedMs());
      const noted = noteUse(id)
        // It is a hint for people: the next use notes it again.
        .catch(() => void notedAt.delete(id))
        .finally(() => noting.delete(noted));
      noting.add(noted);
    },
    async stop() {
      unlisten();
      entries.clear();
      await Promise.all(noting);
    },
  };
}
