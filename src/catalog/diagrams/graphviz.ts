/** Graphviz DOT (https://graphviz.org/doc/info/lang.html): a cluster a schema, a table of HTML-like text a table. */
import { escapeMarkup } from '../../lib/markup.ts';
import { keyOf } from '../nodes.ts';
import { bySchema, type DiagramTable, type DiagramWriter, printable } from './diagram.ts';

export const writeGraphviz: DiagramWriter = ({ tables, references }) => {
  const ids = new Map(tables.map((table, place) => [keyOf(table), `t${place + 1}`]));
  const port = (table: DiagramTable | undefined, column: string | undefined) => {
    const place = table?.columns.findIndex(({ name }) => name === column) ?? -1;
    return place < 0 ? '' : `:c${place + 1}`;
  };
  const byKey = new Map(tables.map((table) => [keyOf(table), table]));
  const clusters = [...bySchema(tables)].map(([schema, members], place) =>
    [
      `  subgraph cluster_${place + 1} {`,
      `    label=<${text(schema)}>; style=rounded; color="#999999";`,
      ...members.map((table) => `    ${ids.get(keyOf(table))} [label=<${label(table)}>];`),
      '  }',
    ].join('\n'),
  );
  const edges = references.map(({ table, columns, referenced, referencedColumns, optional, single }) => {
    const [from, to] = [keyOf(table), keyOf(referenced)];
    const tail = `${ids.get(from)}${port(byKey.get(from), columns[0])}`;
    const head = `${ids.get(to)}${port(byKey.get(to), referencedColumns[0])}`;
    const arrows = `arrowtail=${single ? 'teeodot' : 'crowodot'}, arrowhead=${optional ? 'teeodot' : 'teetee'}`;
    return `  ${tail} -> ${head} [${arrows}];`;
  });
  const settings = [
    '  graph [rankdir=LR, overlap=false, splines=true, fontname="Helvetica"];',
    '  node [shape=plain, fontname="Helvetica", fontsize=10];',
    '  edge [dir=both, color="#666666"];',
  ];
  return `digraph database {\n${[...settings, ...clusters, ...edges].join('\n')}\n}\n`;
};

function label(table: DiagramTable): string {
  const rows = table.columns.map((column, place) => {
    const name = column.primaryKey ? `<U>${text(column.name)}</U>` : text(column.name);
    const type = `<FONT COLOR="#666666">${text(column.dataType)}${column.nullable ? '' : ' !'}</FONT>`;
    return `<TR><TD ALIGN="LEFT" PORT="c${place + 1}">${name}  ${type}</TD></TR>`;
  });
  const title = `<TR><TD BGCOLOR="#eeeeee"><B>${text(table.name)}</B></TD></TR>`;
  return `<TABLE BORDER="0" CELLBORDER="1" CELLSPACING="0" CELLPADDING="3">${title}${rows.join('')}</TABLE>`;
}

/** Text of nothing but blanks is none, and that is no label. */
function text(value: string): string {
  const line = printable(value);
  return line.trim() === '' ? '&#160;' : escapeMarkup(line);
}
