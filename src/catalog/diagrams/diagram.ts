/** What a diagram shows, whatever it is written in, and the order in which it is easy to read. */
import type { QualifiedName } from '../../engines/catalog.ts';
import { keyOf } from '../nodes.ts';

export interface DiagramColumn {
  readonly name: string;
  readonly dataType: string;
  readonly nullable: boolean;
  readonly primaryKey: boolean;
  readonly foreignKey: boolean;
  readonly unique: boolean;
  readonly comment: string | null;
}

export interface DiagramTable extends QualifiedName {
  readonly comment: string | null;
  /** In their order; none of a neighbour, which is drawn as a name alone. */
  readonly columns: readonly DiagramColumn[];
}

/** A foreign key between two tables of the diagram. */
export interface DiagramReference {
  readonly name: string | null;
  readonly table: QualifiedName;
  readonly columns: readonly string[];
  readonly referenced: QualifiedName;
  readonly referencedColumns: readonly string[];
  /** A row may point to nothing. */
  readonly optional: boolean;
  /** At most one row points to each. */
  readonly single: boolean;
}

export interface Diagram {
  readonly tables: readonly DiagramTable[];
  readonly references: readonly DiagramReference[];
}

/** Writes a diagram as the text of one tool. Names that its grammar cannot hold are changed, and told beside. */
export type DiagramWriter = (diagram: Diagram) => string;

/**
 * Schema by schema; in each the table with most neighbours first, then those, then theirs: what belongs together stands
 * together, as far as a line of tables can.
 */
export function arranged(
  tables: readonly DiagramTable[],
  references: readonly DiagramReference[],
): readonly DiagramTable[] {
  const neighbours = new Map<string, Set<string>>(tables.map((table) => [keyOf(table), new Set()]));
  for (const { table, referenced } of references) {
    const [from, to] = [keyOf(table), keyOf(referenced)];
    if (from === to) continue;
    neighbours.get(from)?.add(to);
    neighbours.get(to)?.add(from);
  }
  const degree = (table: QualifiedName) => neighbours.get(keyOf(table))?.size ?? 0;
  const first = [...tables].sort(
    (a, b) => compare(a.schema, b.schema) || degree(b) - degree(a) || compare(a.name, b.name),
  );
  const waiting = new Map(first.map((table) => [keyOf(table), table]));
  const placed: DiagramTable[] = [];
  for (const root of first) {
    const queue = waiting.delete(keyOf(root)) ? [root] : [];
    for (const table of queue) {
      placed.push(table);
      for (const next of [...(neighbours.get(keyOf(table)) ?? [])].flatMap((key) => waiting.get(key) ?? [])) {
        if (next.schema !== root.schema) continue;
        waiting.delete(keyOf(next));
        queue.push(next);
      }
    }
  }
  return placed;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Tables by their schema, both in their order. */
export function bySchema(tables: readonly DiagramTable[]): Map<string, DiagramTable[]> {
  const schemas = new Map<string, DiagramTable[]>();
  for (const table of tables) schemas.set(table.schema, [...(schemas.get(table.schema) ?? []), table]);
  return schemas;
}

/** A name on one line, without characters that no text of a diagram can hold. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');

/** Gives each its own name among those given before, where a grammar makes two names one. */
export function distinct(): (name: string) => string {
  const given = new Set<string>();
  return (name) => {
    let free = name;
    for (let count = 2; given.has(free); count += 1) free = `${name}_${count}`;
    given.add(free);
    return free;
  };
}
