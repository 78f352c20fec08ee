/** Reads what a diagram shows: the tables chosen, their columns, and what they refer to or are referred to by. */
import type { Catalog, DdlSelection, ForeignKey, ReadOptions, Relation } from '../../engines/catalog.ts';
import { AppError } from '../../lib/errors.ts';
import { keyOf } from '../nodes.ts';
import { arranged, type Diagram, type DiagramColumn, type DiagramReference, type DiagramTable } from './diagram.ts';

/** More than these nobody reads, and no tool lays out. */
const maxTables = 1_000;
/** With more tables than these a diagram shows the columns of keys alone. */
const maxWholeTables = 40;

const kinds = ['TABLE', 'PARTITIONED_TABLE', 'FOREIGN_TABLE'] as const;

/**
 * Tables of the database, or of the selection; a view is drawn where it was chosen itself, a partition too. Neighbours of
 * a selection have no columns. @throws AppError LIMIT_EXCEEDED
 */
export async function readDiagram(
  catalog: Catalog,
  selection: DdlSelection | null,
  options: ReadOptions,
): Promise<Diagram> {
  const chosen = await readTables(catalog, selection, options);
  const [columns, keys, incoming] = await Promise.all([
    catalog.columns(chosen, options),
    catalog.foreignKeys(chosen, options),
    selection ? catalog.referencedBy(chosen, options) : [],
  ]);
  const among = new Set(chosen.map(keyOf));
  const all = new Map(
    [...keys, ...incoming].flat().map((key) => [JSON.stringify([keyOf(key.table), key.name, key.columns]), key]),
  );
  const drawn = [...all.values()].filter(
    ({ table, referenced }) => selection !== null || (among.has(keyOf(table)) && among.has(keyOf(referenced))),
  );
  const others = new Map(
    drawn.flatMap(({ table, referenced }) => [table, referenced]).map((name) => [keyOf(name), name]),
  );
  for (const key of among) others.delete(key);
  limit(chosen.length + others.size);

  const whole = chosen.length <= maxWholeTables;
  const inKeys = new Map<string, Set<string>>();
  for (const { table, columns: parts } of drawn) {
    inKeys.set(keyOf(table), new Set([...(inKeys.get(keyOf(table)) ?? []), ...parts]));
  }
  const tables: DiagramTable[] = chosen.map((table, place) => ({
    schema: table.schema,
    name: table.name,
    comment: table.comment,
    columns: (columns[place] ?? [])
      .map(
        (column): DiagramColumn => ({
          name: column.name,
          dataType: column.dataType,
          nullable: column.nullable,
          primaryKey: column.primaryKeyPosition !== null,
          foreignKey: inKeys.get(keyOf(table))?.has(column.name) ?? false,
          unique: column.unique,
          comment: column.comment,
        }),
      )
      .filter(({ primaryKey, foreignKey }) => whole || primaryKey || foreignKey),
  }));
  const neighbours = [...others.values()].map(({ schema, name }) => ({ schema, name, comment: null, columns: [] }));
  const byKey = new Map(tables.map((table) => [keyOf(table), table]));
  const references = drawn.map((key) => reference(key, byKey.get(keyOf(key.table))));
  return { tables: arranged([...tables, ...neighbours], references), references };
}

async function readTables(
  catalog: Catalog,
  selection: DdlSelection | null,
  options: ReadOptions,
): Promise<readonly Relation[]> {
  const within = selection ? { schemas: selection.schemas } : ({ database: true } as const);
  const found = (await catalog.relationPages(within, { kinds }, {}, options)).flat();
  const partitioned = found.filter(({ kind }) => kind === 'PARTITIONED_TABLE');
  const partitions = (await catalog.relationPages({ partitionsOf: partitioned }, {}, {}, options)).flat();
  const parts = new Set(partitions.map(keyOf));
  const named = selection ? await catalog.relationsByName(selection.tables, options) : [];
  const tables = [...found.filter((table) => !parts.has(keyOf(table))), ...named.filter((table) => table !== null)];
  limit(tables.length);
  return [...new Map(tables.map((table) => [keyOf(table), table])).values()];
}

function limit(count: number): void {
  if (count <= maxTables) return;
  throw new AppError('LIMIT_EXCEEDED', `A diagram of ${count} tables is too large: choose schemas or tables`, {
    details: { limit: maxTables, tables: count },
  });
}

function reference(key: ForeignKey, table: DiagramTable | undefined): DiagramReference {
  const parts = table?.columns.filter(({ name }) => key.columns.includes(name)) ?? [];
  const primary = table?.columns.filter(({ primaryKey }) => primaryKey) ?? [];
  const isPrimary = primary.length === parts.length && parts.every(({ primaryKey }) => primaryKey);
  const { name, columns, referenced, referencedColumns } = key;
  return {
    name,
    table: key.table,
    columns,
    referenced,
    referencedColumns,
    optional: parts.length === 0 || parts.some(({ nullable }) => nullable),
    single: parts.length > 0 && (isPrimary || (parts.length === 1 && parts[0]?.unique === true)),
  };
}
