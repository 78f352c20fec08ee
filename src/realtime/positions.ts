/**
 * Places in the changes of a database, and the texts that clients hold. A text names the database, the feed that told (of
 * another one nothing is known of what it left out), the commit and the place in it. Texts of one feed compare as they do.
 */
import { hash } from 'node:crypto';
import type { CommitPosition } from '../engines/changes.ts';
import { badInput } from '../lib/errors.ts';

/** Behind so many changes of a transaction, and behind all of the transactions before it. */
export interface Position {
  readonly commit: CommitPosition;
  readonly place: number;
}

/** Behind all of a transaction. */
export const wholeTransaction = 0xffff_ffff;

export function comparePositions(a: Position, b: Position): number {
  if (a.commit !== b.commit) return a.commit < b.commit ? -1 : 1;
  return a.place - b.place;
}

export const laterOf = (a: Position, b: Position): Position => (comparePositions(a, b) < 0 ? b : a);

const databaseDigits = 8;
const generationDigits = 16;
const placeDigits = 8;
const form = /^[0-9a-f]{24}([0-9A-Za-z]{1,32})[0-9a-f]{8}$/;

const digitsOf = (databaseId: string): string => hash('sha256', databaseId, 'hex').slice(0, databaseDigits);

/** A later one is greater: milliseconds, then chance, so that no two feeds have the same. */
export const newGeneration = (nowMs: number, chance: number): string =>
  nowMs.toString(16).padStart(12, '0') + (chance & 0xffff).toString(16).padStart(4, '0');

export interface Positions {
  readonly generation: string;
  write(position: Position): string;
}

export function createPositions(databaseId: string, generation: string): Positions {
  const prefix = digitsOf(databaseId) + generation;
  return {
    generation,
    write: ({ commit, place }) => prefix + commit + place.toString(16).padStart(placeDigits, '0'),
  };
}

/** @throws AppError BAD_USER_INPUT for a text that is none, or one of another database */
export function readPosition(databaseId: string, text: string): { generation: string; position: Position } {
  const [, commit] = form.exec(text) ?? [];
  if (commit === undefined || !text.startsWith(digitsOf(databaseId)))
    throw badInput({ path: 'after', message: 'not a position of this stream' });
  return {
    generation: text.slice(databaseDigits, databaseDigits + generationDigits),
    position: { commit, place: Number.parseInt(text.slice(-placeDigits), 16) },
  };
}
