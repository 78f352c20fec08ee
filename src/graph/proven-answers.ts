/**
 * Kept answers that were found to stand at a moment of the metadata: at the same moment they stand without a look at who asks
 * and what he may. By what was shown and asked, byte for byte, of which only a digest is in memory.
 *
 * A session that was remembered when something was proven (accounts/live-sessions.ts) is believed for as long as a moment
 * lasts, a second, beyond its own time there: what that has as its longest has to leave room for it.
 */
import { hash } from 'node:crypto';
import type { Viewer } from '../accounts/viewer.ts';
import type { Moments } from '../db/moments.ts';

export interface Proven {
  readonly viewer: Viewer;
  readonly answer: Buffer;
}

export interface Asked {
  /** What stands; null where that has to be found out. */
  readonly proven: Proven | null;
  /** The same was asked before, not long ago: it may be once more. */
  readonly again: boolean;
  /** For what was found out since: whoever asks the same at the moment of this asking gets it. */
  prove(proven: Proven): void;
}

export interface ProvenAnswers {
  /** @param authorization what was shown, as it came */
  ask(authorization: string, question: string): Promise<Asked>;
}

export interface ProvenAnswersDeps {
  readonly moments: Moments;
  /** Of all answers; they are mostly those of the kept ones. */
  readonly maxBytes?: number;
}

interface Entry extends Proven {
  /** Null where it was not asked for. */
  readonly moment: string | null;
}

/** Questions that are known again, at the least; twice as many at the most. */
const maxRecent = 4_096;
/** Of an entry beside its answer, about. */
const entryBytes = 512;

const isOver = ({ expiresAt }: Viewer): boolean => expiresAt !== null && expiresAt.getTime() <= Date.now();
const bytesOf = ({ answer }: Entry): number => answer.length + entryBytes;

export function createProvenAnswers({ moments, maxBytes = 64 * 2 ** 20 }: ProvenAnswersDeps): ProvenAnswers {
  /** The one that was proven longest ago is first. */
  const entries = new Map<string, Entry>();
  let total = 0;
  let recent = new Set<string>();
  let before = new Set<string>();

  function isAgain(key: string): boolean {
    if (recent.has(key)) return true;
    if (recent.size >= maxRecent) [before, recent] = [recent, new Set()];
    recent.add(key);
    return before.has(key);
  }

  function drop(key: string): void {
    const entry = entries.get(key);
    if (entry) total -= bytesOf(entry);
    entries.delete(key);
  }

  return {
    async ask(authorization, question) {
      const key = hash('sha256', `${authorization}\n${question}`, 'base64url');
      const again = isAgain(key);
      const known = entries.get(key);
      // Before anything else is read: what is proven then has been read since. What nobody asked before needs none.
      const moment = known ? await moments.now() : null;
      return {
        again,
        proven: known && known.moment === moment && !isOver(known.viewer) ? known : null,
        prove({ viewer, answer }) {
          const entry = { viewer, answer, moment };
          drop(key);
          entries.set(key, entry);
          total += bytesOf(entry);
          for (const oldest of entries.keys()) {
            if (total <= maxBytes) break;
            drop(oldest);
          }
        },
      };
    },
  };
}
