/**
 * Row-level security: which changes of a log may be told, where policies decide what the credentials see. A change is told
 * where the row is now, as these credentials read it, what the change made of it; so nothing is told that could not be
 * read. What was replaced since is left to the change that replaced it. A row that is gone is told of by its key, and
 * only where it was seen before.
 */
import type { ChangedTable } from '../engines/changes.ts';
import type { AccessedColumn, RowAccess, RowsAsked, RowsSeen } from '../engines/row-access.ts';
import { encodeRowKey } from '../rows/row-key.ts';
import type { Change, Piece, RowEvent } from './change.ts';
import type { Verdict } from './row-change.ts';

export interface VisibilityDeps {
  /** @throws AppError CONNECTION_FAILED, TIMEOUT, SQL_ERROR */
  rowsSeen(asked: RowsAsked): Promise<RowsSeen>;
  /** Rows of a table that were seen are remembered, so many of them: of one that is forgotten it is not told that it is gone. */
  readonly maxRemembered?: number;
}

export interface Visibility {
  /**
   * One for each change; TOLD where no policies apply. Pieces are judged one after the other; that a row is gone is said the
   * first time alone.
   */
  judge(piece: Piece, accessOf: (tableId: string) => RowAccess | null): Promise<readonly Verdict[]>;
}

const defaultMaxRemembered = 50_000;
/** Keys of one question. */
const maxKeys = 200;

export function createVisibility({ rowsSeen, maxRemembered = defaultMaxRemembered }: VisibilityDeps): Visibility {
  const remembered = new Map<string, Seen>();
  /** By table the keys of rows that came, or left, without being seen since: whatever tells of them first says that they came. */
  const unseen = new Map<string, Set<string>>();
  /** Those who come later are told by what is read then. */
  const known = new WeakSet<Piece>();
  let last: Promise<unknown> = Promise.resolve();

  function memoryOf(tableId: string): Seen {
    const memory: Seen = remembered.get(tableId) ?? new Map();
    remembered.set(tableId, memory);
    return memory;
  }

  function remember(memory: Seen, key: string, ordinal: number): void {
    const before = memory.get(key) ?? ordinal;
    memory.delete(key);
    memory.set(key, Math.max(before, ordinal));
    const [oldest] = memory.keys();
    if (memory.size > maxRemembered && oldest !== undefined) memory.delete(oldest);
  }

  /** An INSERT is not told where the row was replaced since: then it is told as what replaced it. */
  function heedComing(form: Form, change: RowEvent, verdict: Verdict): Verdict {
    const tableId = change.table.id;
    const coming = unseen.get(tableId) ?? new Set();
    unseen.set(tableId, coming);
    const nameOf = (row: readonly (string | null | undefined)[] | null) => {
      const key = row && keyAt(form, row);
      return key && encodeRowKey(key);
    };
    const before = change.type === 'insert' ? null : nameOf(change.old);
    const name = change.type === 'delete' ? null : nameOf(change.new);
    const came = [before, name].filter((one) => one !== null && coming.delete(one)).length > 0;
    if (verdict === 'TOLD') return came && change.type === 'update' ? 'CAME' : 'TOLD';
    const comes = came || verdict === 'LEFT' || (change.type === 'insert' && !memoryOf(tableId).has(name ?? ''));
    if (name !== null && comes) {
      coming.add(name);
      const [oldest] = coming;
      if (coming.size > maxRemembered && oldest !== undefined) coming.delete(oldest);
    }
    return verdict;
  }

  async function judgeTable(piece: Piece, table: ChangedTable, access: RowAccess, verdicts: Verdict[]): Promise<void> {
    const own = piece.changes.flatMap((change, index) => (change.table === table ? [{ change, index }] : []));
    const form = formOf(table, access);
    const rows = form ? await readRows(form, piece, own) : new Map<string, Row>();
    const memory = memoryOf(table.id);
    const first = !known.has(piece);
    for (const { change, index } of own) {
      const ordinal = piece.ordinal + index;
      // Who comes late makes nobody forget what is behind him: those who judge what came since have to know it still.
      const forget = (key: string) => first && (memory.get(key) ?? ordinal) < ordinal && memory.delete(key);
      if (change.type === 'truncate') for (const key of memory.keys()) forget(key);
      else if (!form) verdicts[index] = 'HIDDEN';
      else {
        const verdict = verdictOf({ form, change, rows, remember: (key) => remember(memory, key, ordinal), forget });
        verdicts[index] = first ? heedComing(form, change, verdict) : verdict;
      }
    }
  }

  async function readRows(
    form: Form,
    { transaction }: Piece,
    own: readonly { readonly change: Change }[],
  ): Promise<Map<string, Row>> {
    const keys = new Map<string, string[]>();
    for (const { change } of own) {
      const key = change.type === 'insert' || change.type === 'update' ? keyAt(form, change.new) : null;
      if (key) keys.set(encodeRowKey(key), key);
    }
    const names = [...keys.keys()];
    const found = new Map<string, Row>();
    for (let from = 0; from < names.length; from += maxKeys) {
      const some = names.slice(from, from + maxKeys);
      const rows = await rowsSeen({
        ...form.asked,
        keys: some.map((name) => keys.get(name)!),
        behind: [transaction.id],
      });
      for (const [place, row] of rows.entries()) if (row) found.set(some[place]!, row);
    }
    return found;
  }

  return {
    judge(piece, accessOf) {
      const judged = last.then(async () => {
        const verdicts: Verdict[] = piece.changes.map(() => 'TOLD');
        for (const table of new Set(piece.changes.map((change) => change.table))) {
          const access = accessOf(table.id);
          if (access?.rowSecurity) await judgeTable(piece, table, access, verdicts);
        }
        known.add(piece);
        return verdicts;
      });
      last = judged.catch(() => undefined); // Whoever asked is told.
      return judged;
    },
  };
}

/** Rows by their keys, the oldest first, and the last change by which each was seen. */
type Seen = Map<string, number>;

type Row = readonly (string | null)[];

interface Judging {
  readonly form: Form;
  readonly change: RowEvent;
  readonly rows: ReadonlyMap<string, Row>;
  remember(key: string): void;
  /** @returns whether it was seen before */
  forget(key: string): boolean;
}

/** How rows of a table are asked for, and where its columns are in the log. */
interface Form {
  readonly asked: Pick<RowsAsked, 'table' | 'key' | 'columns'>;
  readonly key: readonly number[];
  /** Of the columns that are asked for. */
  readonly places: readonly number[];
}

function verdictOf({ form, change, rows, remember, forget }: Judging): Verdict {
  const values = change.type === 'delete' ? change.old : change.new;
  const key = keyAt(form, values);
  if (key === null) return 'HIDDEN';
  const name = encodeRowKey(key);
  if (change.type === 'delete') return forget(name) ? 'TOLD' : 'HIDDEN';
  const row = rows.get(name);
  if (!row) return forget(name) && change.type === 'update' ? 'LEFT' : 'HIDDEN';
  if (form.places.some((place, column) => values[place] !== undefined && values[place] !== row[column]))
    return 'HIDDEN';
  const before = change.type === 'update' && change.old ? keyAt(form, change.old) : null;
  if (before) forget(encodeRowKey(before));
  remember(name);
  return 'TOLD';
}

/** Null where rows cannot be told apart by what may be read. */
function formOf(table: ChangedTable, access: RowAccess): Form | null {
  const placeOf = new Map(table.columns.map(({ name }, place) => [name, place]));
  const readable = access.columns.filter((column) => column.readable && placeOf.has(column.name));
  const key = access.key.map((name) => readable.find((column) => column.name === name));
  if (key.length === 0 || !key.every((column): column is AccessedColumn => column !== undefined)) return null;
  const places = (columns: readonly { readonly name: string }[]) => columns.map(({ name }) => placeOf.get(name)!);
  return {
    asked: { table: access, key, columns: readable.map(({ name }) => name) },
    key: places(key),
    places: places(readable),
  };
}

function keyAt({ key }: Form, row: readonly (string | null | undefined)[]): string[] | null {
  const texts = key.map((place) => row[place]);
  return texts.every((text) => typeof text === 'string') ? texts : null;
}
