/** DBML (https://dbml.dbdiagram.io/docs): tables by schema in groups. */
import type { QualifiedName } from '../../engines/catalog.ts';
import { keyOf } from '../nodes.ts';
import { bySchema, type DiagramColumn, type DiagramWriter, distinct, printable } from './diagram.ts';

export const writeDbml: DiagramWriter = ({ tables, references }) => {
  const names = namesOf(tables);
  /** Of a neighbour, what the references touch: a table needs a column, and so does an end of a reference. */
  const touched = new Map<string, Set<string>>(tables.map((table) => [keyOf(table), new Set()]));
  for (const { table, columns, referenced, referencedColumns } of references) {
    for (const column of columns) touched.get(keyOf(table))?.add(column);
    for (const column of referencedColumns) touched.get(keyOf(referenced))?.add(column);
  }
  const blocks = tables.map((table) => {
    const named = names.column(table);
    const shown = new Set(table.columns.map(({ name }) => name));
    const others = [...(touched.get(keyOf(table)) ?? [])].filter((name) => !shown.has(name));
    const lines = [
      ...table.columns.map((column) => field(column, named(column.name))),
      ...others.map((name) => `  ${quoted(named(name))} "…"`),
    ];
    if (lines.length === 0) lines.push('  "…" "…"');
    const note = [
      printable(table.name) === table.name && printable(table.schema) === table.schema
        ? ''
        : JSON.stringify([table.schema, table.name]),
      table.comment ?? '',
    ].filter(Boolean);
    if (note.length > 0) lines.push(`  Note: ${literal(note.join(': '))}`);
    return `Table ${names.table(table)} {\n${lines.join('\n')}\n}`;
  });
  const groups = [...bySchema(tables)].map(
    ([schema, members]) =>
      `TableGroup ${quoted(names.schema(schema))} {\n${members.map((table) => `  ${names.table(table)}`).join('\n')}\n}`,
  );
  return `${[...blocks, ...links(references, names), ...groups].join('\n\n')}\n`;
};

type Names = ReturnType<typeof namesOf>;

/** Two ends make one reference, whatever its keys are called; a column cannot refer to itself. */
function links(references: Parameters<DiagramWriter>[0]['references'], names: Names): string[] {
  const written = new Set<string>();
  return references.flatMap(({ table, columns, referenced, referencedColumns, single }) => {
    const end = (of: QualifiedName, parts: readonly string[]) =>
      `${names.table(of)}.(${parts.map((name) => quoted(names.column(of)(name))).join(', ')})`;
    const [from, to] = [end(table, columns), end(referenced, referencedColumns)];
    const ends = [from, to].sort().join('\n');
    if (columns.length === 0 || from === to || written.has(ends)) return [];
    written.add(ends);
    return [`Ref: ${from} ${single ? '-' : '>'} ${to}`];
  });
}

function field(column: DiagramColumn, name: string): string {
  const said = [printable(column.name) === column.name ? '' : JSON.stringify(column.name), column.comment ?? ''].filter(
    Boolean,
  );
  const settings = [
    column.primaryKey && 'pk',
    !column.nullable && !column.primaryKey && 'not null',
    column.unique && !column.primaryKey && 'unique',
    said.length > 0 && `note: ${literal(said.join(': '))}`,
  ].filter(Boolean);
  return `  ${quoted(name)} ${quoted(printable(column.dataType))}${settings.length > 0 ? ` [${settings.join(', ')}]` : ''}`;
}

/** A name is on one line here, so two may become one: then they are told apart by a number. */
function namesOf(tables: readonly QualifiedName[]) {
  const schemas = lookUp();
  const inSchemas = new Map<string, (name: string) => string>();
  const inTables = new Map<string, (name: string) => string>();
  const ofKey = (map: typeof inTables, key: string) => {
    const known = map.get(key) ?? lookUp();
    map.set(key, known);
    return known;
  };
  const names = {
    schema: schemas,
    table: ({ schema, name }: QualifiedName) => `${quoted(schemas(schema))}.${quoted(ofKey(inSchemas, schema)(name))}`,
    column: (table: QualifiedName) => ofKey(inTables, keyOf(table)),
  };
  // In their order, so that they keep their names wherever they are named first.
  for (const table of tables) names.table(table);
  return names;
}

function lookUp(): (name: string) => string {
  const free = distinct();
  const known = new Map<string, string>();
  return (name) => {
    const given = known.get(name) ?? free(printable(name));
    known.set(name, given);
    return given;
  };
}

const quoted = (name: string): string => `"${name.replace(/[\\"]/g, '\\$&')}"`;
const literal = (value: string): string => `'${printable(value).replace(/[\\']/g, '\\$&')}'`;
