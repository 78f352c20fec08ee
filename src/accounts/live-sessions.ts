/** Whether a session lives, asked at every request and answered from memory for a few seconds. */
import type { Bus } from '../lib/bus.ts';
import type { Topic } from '../lib/topics.ts';
import type { UserRole } from './viewer.ts';

/** With a lost ring a dead session is refused after this, so that it never outlives five seconds. */
const keptMs = 4_000;

export interface LiveSessionsDeps {
  bus: Pick<Bus<Topic>, 'listen'>;
  /** The user's role; null when the session has ended, is not this user's, or the user is disabled. */
  load(sessionId: string, userId: string): Promise<UserRole | null>;
  /** Milliseconds that only rise. */
  elapsedMs?: () => number;
  /** Sessions known at once. */
  maxEntries?: number;
}

export interface LiveSessions extends Disposable {
  /** As LiveSessionsDeps.load(), at most four seconds old. */
  roleIn(sessionId: string, userId: string): Promise<UserRole | null>;
}

interface Entry {
  readonly userId: string;
  readonly role: Promise<UserRole | null>;
  readonly askedAt: number;
}

export function createLiveSessions({
  bus,
  load,
  elapsedMs = () => performance.now(),
  maxEntries = 20_000,
}: LiveSessionsDeps): LiveSessions {
  const entries = new Map<string, Entry>();
  const stop = bus.listen('session.revoked', null, (sessionId) => entries.delete(sessionId));

  function ask(sessionId: string, userId: string): Entry {
    const entry: Entry = { userId, role: load(sessionId, userId), askedAt: elapsedMs() };
    entries.delete(sessionId);
    entries.set(sessionId, entry);
    const [oldest] = entries.keys();
    if (entries.size > maxEntries && oldest) entries.delete(oldest);
    entry.role.catch(() => {
      if (entries.get(sessionId) === entry) entries.delete(sessionId);
    });
    return entry;
  }

  return {
    roleIn(sessionId, userId) {
      const known = entries.get(sessionId);
      const fresh = known && known.userId === userId && elapsedMs() - known.askedAt < keptMs;
      return (fresh ? known : ask(sessionId, userId)).role;
    },
    [Symbol.dispose]() {
      stop();
      entries.clear();
    },
  };
}
