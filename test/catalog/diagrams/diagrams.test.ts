/** Diagrams as text: that the tools themselves read what we write, and read in it what the database has. */
import { Parser } from '@dbml/core';
import { Graphviz } from '@hpcc-js/wasm-graphviz';
import mermaid from 'mermaid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { arranged, type Diagram, type DiagramTable } from '../../../src/catalog/diagrams/diagram.ts';
import { diagramFormats } from '../../../src/catalog/diagrams/formats.ts';
import { readDiagram } from '../../../src/catalog/diagrams/read.ts';
import type { Catalog } from '../../../src/engines/catalog.ts';
import { createTestDatabase, type TestDatabase } from '../../support/databases.ts';
import { debianSchemas } from '../../support/debian-schemas.ts';
import { catalogOf, fixture } from '../target.ts';

const options = { signal: new AbortController().signal };
const { MERMAID, DBML, GRAPHVIZ } = diagramFormats;

let graphviz: Graphviz;
beforeAll(async () => {
  graphviz = await Graphviz.load();
});

/** What each tool reads: how many tables and links there are. @throws what the tool says of a text that it cannot read */
const read = {
  async mermaid(diagram: Diagram) {
    const text = MERMAID(diagram);
    await mermaid.parse(text); // It knows its kinds of diagrams only then.
    const parsed = await mermaid.mermaidAPI.getDiagramFromText(text);
    const db = parsed.db as unknown as { getEntities(): Map<string, { alias: string }>; getRelationships(): unknown[] };
    return { tables: db.getEntities().size, links: db.getRelationships().length, db };
  },
  dbml(diagram: Diagram) {
    try {
      const { schemas } = new Parser().parse(DBML(diagram), 'dbmlv2');
      return {
        tables: schemas.flatMap((schema) => schema.tables).length,
        links: schemas.flatMap((schema) => schema.refs).length,
        schemas,
      };
    } catch (error) {
      throw new Error(JSON.stringify(error));
    }
  },
  graphviz(diagram: Diagram) {
    const drawn = JSON.parse(graphviz.dot(GRAPHVIZ(diagram), 'json')) as {
      objects?: { name: string; label?: string; nodes?: number[] }[];
      edges?: unknown[];
    };
    const nodes = (drawn.objects ?? []).filter(({ nodes }) => nodes === undefined);
    return { tables: nodes.length, links: drawn.edges?.length ?? 0 };
  },
};

const table = (
  schema: string,
  name: string,
  columns: Partial<DiagramTable['columns'][number]>[] = [],
): DiagramTable => ({
  schema,
  name,
  comment: null,
  columns: columns.map((column) => ({
    name: 'id',
    dataType: 'integer',
    nullable: true,
    primaryKey: false,
    foreignKey: false,
    unique: false,
    comment: null,
    ...column,
  })),
});

describe('names that are hard to carry', () => {
  const names = [
    'plain',
    'two words',
    `"q" 'a' \`b\``,
    'back\\slash\\',
    'a\nb',
    'a\r\nb',
    'a b',
    '<b>&amp;</b>',
    '{x} [y] (z) |',
    '#35; %% ; style a:#b;',
    'classDef x:#fff;',
    'PK',
    'fk-1',
    'Uk',
    'erDiagram',
    'Table',
    'null',
    '1st',
    '-',
    ' ',
    '__proto__',
    'glücklich 😀',
    '表',
    '\u202eltr',
    '$1',
    '…',
    'é'.repeat(31),
    'a%b',
    'end',
    'subgraph',
    '}',
    '"',
    ':',
    "'''",
  ];
  const tables = names.map((name) =>
    table(name, name, [
      { primaryKey: true, nullable: false },
      ...names.map((one) => ({ name: one, dataType: one, comment: one, unique: true })),
    ]),
  );
  const references = names.map((name, place) => ({
    name,
    table: tables[place]!,
    columns: [name],
    referenced: tables[(place + 1) % names.length]!,
    referencedColumns: ['id'],
    optional: true,
    single: false,
  }));
  const diagram = { tables, references };

  test('Mermaid reads all of them, and shows tables by their names', async () => {
    const { tables: count, links, db } = await read.mermaid(diagram);
    expect({ count, links }).toEqual({ count: names.length, links: names.length });
    const shown = [...db.getEntities().values()].map(({ alias }) => alias);
    expect(shown[0]).toBe('plain.plain');
    expect(shown).toContain('two words.two words');
    expect(shown).toContain('glücklich 😀.glücklich 😀');
  });

  test('DBML reads all of them, and keeps all that is on one line', () => {
    const { tables: count, links, schemas } = read.dbml(diagram);
    expect({ count, links }).toEqual({ count: names.length, links: names.length });
    const shown = schemas.flatMap((schema) => schema.tables).map(({ name }) => name);
    expect(shown).toEqual(expect.arrayContaining(names.filter((name) => !/[\r\n]/.test(name) && name !== ' ')));
    expect(schemas.flatMap((schema) => schema.tables)[0]!.fields).toHaveLength(names.length + 1);
  });

  test('Graphviz draws all of them', () => {
    const { tables: count, links } = read.graphviz(diagram);
    expect({ count, links }).toEqual({ count: names.length, links: names.length });
  });
});

describe('what is in no database or hardly', () => {
  const self = table('public', 'self', [{ primaryKey: true }, { name: 'parent' }]);
  const link = { name: null, table: self, referenced: self, optional: true, single: false };
  const diagrams: [string, Diagram, number, number][] = [
    ['nothing at all', { tables: [], references: [] }, 0, 0],
    ['a table without columns', { tables: [table('public', 'empty')], references: [] }, 1, 0],
    [
      'a table that refers to itself twice over',
      {
        tables: [self],
        references: [
          { ...link, columns: ['parent'], referencedColumns: ['id'] },
          { ...link, columns: ['parent'], referencedColumns: ['id'] },
        ],
      },
      1,
      2,
    ],
    [
      'a neighbour that is a name alone',
      {
        tables: [self, table('other', 'far')],
        references: [{ ...link, columns: ['parent'], referenced: table('other', 'far'), referencedColumns: ['id'] }],
      },
      2,
      1,
    ],
  ];
  test.each(diagrams)('every tool reads %s', async (_name, diagram, tables, links) => {
    expect(await read.mermaid(diagram)).toMatchObject({ tables, links });
    // Two references between the same ends are one.
    expect(read.dbml(diagram)).toMatchObject({ tables, links: Math.min(links, 1) });
    expect(read.graphviz(diagram)).toMatchObject({ tables, links });
  });
});

test('what belongs together stands together, schema by schema', () => {
  const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => table('one', name));
  const other = table('another', 'z');
  const link = (from: DiagramTable, to: DiagramTable) => ({
    name: null,
    table: from,
    columns: ['x'],
    referenced: to,
    referencedColumns: ['id'],
    optional: false,
    single: false,
  });
  const order = arranged([a!, b!, c!, d!, e!, other], [link(d!, e!), link(d!, a!), link(a!, other)]);
  expect(order.map(({ name }) => name)).toEqual(['z', 'a', 'd', 'e', 'b', 'c']);
});

describe('a database', () => {
  let database: TestDatabase;
  let catalog: Catalog;
  beforeAll(async () => {
    database = await createTestDatabase(fixture);
    ({ catalog } = catalogOf(database.client));
  });
  afterAll(async () => database[Symbol.asyncDispose]());
  const named = (diagram: Diagram) => diagram.tables.map(({ schema, name }) => `${schema}.${name}`);

  test('is drawn whole, without views and partitions', async () => {
    const diagram = await readDiagram(catalog, null, options);
    expect(named(diagram)).toEqual(
      expect.arrayContaining(['shop.customers', 'shop.orders', 'shop.lines', 'public.plain']),
    );
    expect(named(diagram)).not.toContain('shop.orders_2025');
    expect(named(diagram)).not.toContain('shop.customer_names');
    const tables = diagram.tables.length;
    const links = diagram.references.length;
    expect(links).toBe(4);
    expect(await read.mermaid(diagram)).toMatchObject({ tables, links });
    expect(read.dbml(diagram)).toMatchObject({ tables, links });
    expect(read.graphviz(diagram)).toMatchObject({ tables, links });
  });

  test('chosen tables are drawn with their neighbours as names', async () => {
    const chosen = { schemas: [], tables: [{ schema: 'shop', name: 'orders' }] };
    const diagram = await readDiagram(catalog, chosen, options);
    expect(named(diagram).sort()).toEqual(['shop.customers', 'shop.order_items', 'shop.orders']);
    expect(diagram.tables.filter(({ columns }) => columns.length > 0).map(({ name }) => name)).toEqual(['orders']);
    expect(diagram.references).toHaveLength(2);
    expect(await read.mermaid(diagram)).toMatchObject({ tables: 3, links: 2 });
    expect(read.dbml(diagram)).toMatchObject({ tables: 3, links: 2 });
    expect(read.graphviz(diagram)).toMatchObject({ tables: 3, links: 2 });
  });

  test('a view that is chosen is drawn', async () => {
    const chosen = { schemas: [], tables: [{ schema: 'shop', name: 'customer_names' }] };
    expect(named(await readDiagram(catalog, chosen, options))).toEqual(['shop.customer_names']);
  });

  test('more tables than one diagram holds are refused, with what to do', async () => {
    await using many = await createTestDatabase(
      `DO $$ BEGIN FOR n IN 1..1001 LOOP EXECUTE format('CREATE TABLE t%s ()', n); END LOOP; END $$`,
    );
    await expect(readDiagram(catalogOf(many.client).catalog, null, options)).rejects.toMatchObject({
      code: 'LIMIT_EXCEEDED',
      message: expect.stringContaining('choose schemas or tables'),
      details: { limit: 1_000, tables: 1_001 },
    });
  });
});

describe.each(debianSchemas)('the diagram of %s', (_name, sql) => {
  test('is read by every tool', async () => {
    await using database = await createTestDatabase(await sql());
    await database.client.query('RESET ALL');
    const diagram = await readDiagram(catalogOf(database.client).catalog, null, options);
    const tables = diagram.tables.length;
    expect(tables).toBeGreaterThan(5);
    // More than that Mermaid does not draw (`maxTextSize`).
    expect(MERMAID(diagram).length).toBeLessThan(50_000);
    expect(await read.mermaid(diagram)).toMatchObject({ tables, links: diagram.references.length });
    expect(read.dbml(diagram)).toMatchObject({ tables });
    expect(read.graphviz(diagram)).toMatchObject({ tables });
  });
});
