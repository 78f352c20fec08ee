/** Positions of hits as the keys of cursors. */
import { type CatalogKind, catalogKinds } from './kinds.ts';
import type { Position } from './page-of-hits.ts';
import { maxPoints } from './score.ts';

export const keyOfPosition = ({ points, databaseName, databaseId, kind, identity, names }: Position): string =>
  JSON.stringify([points, databaseName, databaseId, kind, identity, ...names]);

/** Null for whatever keyOfPosition() did not make. */
export function readPosition(key: string): Position | null {
  try {
    const value: unknown = JSON.parse(key);
    if (!Array.isArray(value)) return null;
    const [points, ...texts] = value as unknown[];
    if (typeof points !== 'number' || !Number.isInteger(points) || points < 0 || points >= maxPoints) return null;
    if (!texts.every((text) => typeof text === 'string')) return null;
    const [databaseName, databaseId, kind, identity, ...names] = texts;
    if (databaseName === undefined || databaseId === undefined || identity === undefined || !isKind(kind)) return null;
    return { points, databaseName, databaseId, kind, identity, names };
  } catch {
    return null; // Not ours: any text may be given as a cursor.
  }
}

const isKind = (text: string | undefined): text is CatalogKind => catalogKinds.some((kind) => kind === text);
