/**
 * Answers to what one viewer has asked before, byte for byte, with what they were made of. Whether that still holds is
 * asked each time, anew: an answer is as young as one that is made now. Nobody else is ever given one.
 */
import type { Viewer } from '../accounts/viewer.ts';

/** What an answer was made of, beside its question and who asked. */
export interface Basis {
  /** What was read of each database, and of the viewer's right to it; by the database's id. */
  readonly databases: ReadonlyMap<string, string>;
  /** The version of each snapshot; by the database's id. */
  readonly snapshots: ReadonlyMap<string, string>;
}

export interface KeptAnswersDeps {
  /** Reads anew whether all of it is as it was. */
  stands(viewer: Viewer, basis: Basis): Promise<boolean>;
  readonly limits?: Partial<KeptAnswersLimits>;
}

export interface KeptAnswersLimits {
  /** Of all answers with their questions. */
  readonly bytes: number;
  readonly answerBytes: number;
  readonly questionCharacters: number;
}

const defaultLimits: KeptAnswersLimits = {
  bytes: 64 * 2 ** 20,
  answerBytes: 2 ** 20,
  questionCharacters: 16_384,
};

/** Of an entry beside its texts, about. */
const entryBytes = 1_024;

export interface KeptAnswers {
  /** Null where there is none, or it is no longer true. */
  find(viewer: Viewer, question: string): Promise<Buffer | null>;
  keep(viewer: Viewer, question: string, answer: Buffer, basis: Basis): void;
}

interface Entry {
  readonly answer: Buffer;
  readonly basis: Basis;
  readonly bytes: number;
}

/** All that he is and may, whatever that will be; of his sessions each gets what another one was given. */
function keyOf({ sessionId: _session, expiresAt: _end, ...who }: Viewer, question: string): string {
  return `${JSON.stringify(who)} ${question}`;
}

export function createKeptAnswers({ stands, ...deps }: KeptAnswersDeps): KeptAnswers {
  const limits = { ...defaultLimits, ...deps.limits };
  /** The one that was asked for longest ago is first. */
  const entries = new Map<string, Entry>();
  let total = 0;

  function drop(key: string): void {
    total -= entries.get(key)?.bytes ?? 0;
    entries.delete(key);
  }

  return {
    async find(viewer, question) {
      const key = keyOf(viewer, question);
      const entry = entries.get(key);
      if (!entry) return null;
      const holds = await stands(viewer, entry.basis);
      // Another one may be there by now.
      if (entries.get(key) === entry) {
        entries.delete(key);
        if (holds) entries.set(key, entry);
        else total -= entry.bytes;
      }
      return holds ? entry.answer : null;
    },
    keep(viewer, question, answer, basis) {
      if (answer.length > limits.answerBytes || question.length > limits.questionCharacters) return;
      const key = keyOf(viewer, question);
      drop(key);
      const bytes = answer.length + 2 * key.length + entryBytes;
      entries.set(key, { answer, basis, bytes });
      total += bytes;
      for (const oldest of entries.keys()) {
        if (total <= limits.bytes) break;
        drop(oldest);
      }
    },
  };
}
