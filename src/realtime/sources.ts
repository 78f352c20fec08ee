/** What a client wants to know of tables, checked against what there is and may be read. */
import type { QualifiedName } from '../engines/catalog.ts';
import type { RowAccess } from '../engines/row-access.ts';
import { AppError, badInput, notFound } from '../lib/errors.ts';
import { parseRowFilter, type RowFilter, type RowFilterInput } from '../rows/row-filter.ts';
import { requireTold, unreadable } from './may-tell.ts';
import { type ChangeEvent, changeEvents, type Source } from './row-change.ts';

export interface SourceInput {
  /** Null: it is none of the database's. */
  readonly table: QualifiedName | null;
  readonly events?: readonly ChangeEvent[] | null | undefined;
  readonly where?: RowFilterInput | null | undefined;
  readonly columns?: readonly string[] | null | undefined;
}

/** Of one subscription. */
export const maxSources = 100;

/** @throws AppError BAD_USER_INPUT for what can be told without the tables */
export function checkSources(inputs: readonly SourceInput[]): void {
  if (inputs.length === 0) throw badInput({ path: 'tables', message: 'name at least one' });
  if (inputs.length > maxSources)
    throw new AppError('LIMIT_EXCEEDED', `At most ${maxSources} tables of one subscription`, {
      details: { limit: maxSources, actual: inputs.length },
    });
  const names = inputs.map(({ table }) => table && JSON.stringify([table.schema, table.name]));
  for (const [place, { events }] of inputs.entries()) {
    const name = names[place] ?? null;
    if (name !== null && names.indexOf(name) < place)
      throw badInput({ path: `tables[${place}].tableId`, message: 'is there twice: put two filters into one by `or`' });
    if (events?.length === 0) throw badInput({ path: `tables[${place}].events`, message: 'name at least one' });
  }
}

/**
 * @param accesses of the tables, in their order; null: not there
 * @throws AppError NOT_FOUND, BAD_USER_INPUT, LIMIT_EXCEEDED; FORBIDDEN for what the credentials may not read
 */
export function parseSources(inputs: readonly SourceInput[], accesses: readonly (RowAccess | null)[]): Source[] {
  return inputs.map((input, place) => {
    const access = accesses[place];
    if (!access) throw notFound('Table');
    return parseSource(input, access, `tables[${place}]`);
  });
}

function parseSource({ events, where, columns }: SourceInput, access: RowAccess, path: string): Source {
  const known = new Map(access.columns.map((column) => [column.name, column]));
  requireTold(access);
  for (const [place, name] of (columns ?? []).entries()) {
    const column = known.get(name);
    if (!column) throw badInput({ path: `${path}.columns[${place}]`, message: `there is no column ${name}` });
    if (!column.readable) throw unreadable(access, `not the column ${name}`);
  }
  const filter = where ? parseRowFilter(where, known, `${path}.where`) : null;
  const named = filter ? columnsOf(filter) : [];
  return {
    tableId: access.id,
    filter,
    filtered: new Map(named.map((name) => [name, known.get(name)!])),
    events: new Set(events ?? changeEvents),
    columns: columns ? [...new Set(columns)] : null,
  };
}

function columnsOf(filter: RowFilter): string[] {
  switch (filter.kind) {
    case 'and':
    case 'or':
      return filter.of.flatMap(columnsOf);
    case 'not':
      return columnsOf(filter.of);
    default:
      return [filter.column];
  }
}

/** The same text for those who want the same. */
export const keyOfSources = (sources: readonly Source[]): string =>
  JSON.stringify(
    sources.map(({ tableId, filter, filtered, events, columns }) => [
      tableId,
      filter,
      [...filtered.values()].map(({ name, type }) => [name, type]),
      [...events].sort(),
      columns && [...columns].sort(),
    ]),
  );
