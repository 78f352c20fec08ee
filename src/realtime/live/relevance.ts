/** Whether a change of rows may change an answer: not when a row was left out before, and still is. */
import type { ChangedRow, ChangedTable, FeedEvent } from '../../engines/changes.ts';
import type { ReadFilter } from '../../engines/live.ts';

/** One that empties a table comes once for each. */
export type TableChange =
  | Extract<FeedEvent, { type: 'insert' | 'update' | 'delete' }>
  | { readonly type: 'truncate'; readonly table: ChangedTable };

export function mayMatter(change: TableChange, filters: readonly ReadFilter[]): boolean {
  const { table } = change;
  const own = filters.filter(({ tableId }) => tableId === table.id);
  if (own.length === 0 || change.type === 'truncate') return true;
  const isLeftOut = (row: ChangedRow) => own.some((filter) => fails(row, table, filter));
  switch (change.type) {
    case 'insert':
      return !isLeftOut(change.new);
    case 'delete':
      return !isLeftOut(change.old);
    case 'update':
      return !isLeftOut(change.new) || !isLeftOut(change.old ?? sameIn(table, change.new));
  }
}

/** Of an old row that is not told its identity is the new one's. */
const sameIn = ({ identity }: ChangedTable, row: ChangedRow): ChangedRow =>
  row.map((text, place) => (identity.includes(place) ? text : undefined));

/** What is not told may be anything. */
function fails(row: ChangedRow, { columns }: ChangedTable, { column, equals }: ReadFilter): boolean {
  const place = columns.findIndex(({ name }) => name === column);
  const text = place < 0 ? undefined : row[place];
  return text !== undefined && text !== equals;
}
