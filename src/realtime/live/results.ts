/** What a reader is told: the whole answer first, then what differs from what he was told last. Made once for all who are told the same. */
import type { ResultColumn } from '../../engines/engine.ts';
import { differenceOf, type Placed } from './diff.ts';
import type { LiveRow, LiveState } from './rows.ts';

export interface LiveResult {
  /** 1, 2, 3 … of one reader. */
  readonly version: number;
  readonly databaseId: string;
  readonly columns: readonly ResultColumn[];
  /** All of them, in the first result only. */
  readonly rows: readonly Placed<LiveRow>[] | null;
  readonly upserted: readonly Placed<LiveRow>[];
  /** Keys. */
  readonly removed: readonly string[];
  /** Tables whose change caused it, as schema.name. */
  readonly cause: readonly string[];
  /** Why it may be late by the time between two polls; empty: changes alone tell. */
  readonly polled: readonly string[];
}

export interface Told {
  readonly databaseId: string;
  readonly version: number;
  readonly before: LiveState | null;
  readonly after: LiveState;
  readonly cause: ReadonlySet<string>;
  readonly polled: readonly string[];
}

export interface Results {
  /** Null where nothing differs. */
  resultOf(told: Told): LiveResult | null;
}

/** Readers who are in step are told the same; those who are not are few. */
const maxKept = 8;

interface Kept extends Omit<Told, 'before' | 'after'> {
  /** Weak: else each state would keep the one before it, and so all that ever were. */
  readonly before: WeakRef<LiveState> | null;
  readonly result: LiveResult | null;
}

export function createResults(): Results {
  const kept = new WeakMap<LiveState, Kept[]>();

  return {
    resultOf(told) {
      const known = kept.get(told.after) ?? [];
      kept.set(told.after, known);
      const same = known.find((one) => isSame(one, told));
      if (same) return same.result;
      const result = make(told);
      const { databaseId, version, cause, polled, before } = told;
      known.push({ databaseId, version, cause, polled, before: before && new WeakRef(before), result });
      if (known.length > maxKept) known.shift();
      return result;
    },
  };
}

const isSame = (kept: Kept, told: Told): boolean =>
  kept.version === told.version &&
  (kept.before?.deref() ?? null) === told.before &&
  kept.databaseId === told.databaseId &&
  kept.polled === told.polled &&
  kept.cause.symmetricDifference(told.cause).size === 0;

function make({ databaseId, version, before, after, cause, polled }: Told): LiveResult | null {
  const { columns } = after;
  const common = { version, databaseId, columns, cause: [...cause].sort(), polled };
  if (before === null) {
    const rows = after.rows.map((row, index) => ({ index, row }));
    return { ...common, rows, upserted: [], removed: [] };
  }
  const { removed, upserted } = differenceOf(before.rows, after.rows);
  if (removed.length + upserted.length === 0 && before.columns === columns) return null;
  return { ...common, rows: null, removed, upserted };
}
