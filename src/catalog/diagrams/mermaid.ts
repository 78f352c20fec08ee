/** Mermaid's erDiagram (mermaid, diagrams/er/parser/erDiagram.jison). */
import { keyOf } from '../nodes.ts';
import { type DiagramColumn, type DiagramWriter, distinct, printable } from './diagram.ts';

export const writeMermaid: DiagramWriter = ({ tables, references }) => {
  const ids = new Map(tables.map((table, place) => [keyOf(table), `T${place + 1}`]));
  const lines = ['erDiagram'];
  for (const table of tables) {
    const head = `  ${ids.get(keyOf(table))}["${text(`${table.schema}.${table.name}`)}"]`;
    const named = distinct();
    if (table.columns.length === 0) lines.push(head);
    else lines.push(`${head} {`, ...table.columns.map((column) => `    ${attribute(column, named)}`), '  }');
  }
  for (const { name, table, columns, referenced, optional, single } of references) {
    const from = single ? '|o' : '}o';
    const to = optional ? 'o|' : '||';
    const label = text(columns.join(', ') || (name ?? ''));
    lines.push(`  ${ids.get(keyOf(table))} ${from}--${to} ${ids.get(keyOf(referenced))} : "${label}"`);
  }
  return `${lines.join('\n')}\n`;
};

/** A word takes few characters: what it cannot be called is said in the comment. */
function attribute(column: DiagramColumn, named: (name: string) => string): string {
  const name = named(word(column.name));
  const keys = [column.primaryKey && 'PK', column.foreignKey && 'FK', column.unique && !column.primaryKey && 'UK'];
  const marks = keys.filter(Boolean).join(', ');
  const said = [name === column.name ? '' : column.name, column.nullable ? '' : 'not null'].filter(Boolean).join('; ');
  return [word(column.dataType), name, marks, said && `"${text(said)}"`].filter(Boolean).join(' ');
}

/** Keys are words too, in whatever case. */
function word(name: string): string {
  const plain = name.replace(/[^A-Za-z0-9\-_[\]()\u00c0-\uffff]+/g, '_');
  return /^([^A-Za-z_\u00c0-\uffff]|[pfu]k\b)/i.test(plain) ? `_${plain}` : plain;
}

/** Between quotation marks; what cannot stand there is written by its number, as Mermaid reads it again. */
const text = (value: string): string =>
  printable(value).replace(/["%\\#;:<>{}]/g, (character) => `#${character.charCodeAt(0)};`);
