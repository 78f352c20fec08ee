/**
 * Each fact that psql's `\d+` prints is in the graph: what it prints of a database with every kind of object is put
 * together again from what the graph answers. Parentheses and white space are left out, as psql asks for the pretty form.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase, type TestServer } from '../support/databases.ts';
import { startPlainQuarry } from '../support/plain-server.ts';
import { hasPostgres15, startPostgres15 } from '../support/postgres-15.ts';
import type { Account, Quarry } from '../support/server.ts';
import { fixture } from './target.ts';

const run = promisify(execFile);
const kinds = (name: string) => readFileSync(new URL(`../engines/postgresql/ddl/${name}.sql`, import.meta.url), 'utf8');

interface Named {
  name: string;
  schema: { name: string };
}
interface Column {
  name: string;
  dataType: string;
  nullable: boolean;
  default: string | null;
  generated: string | null;
  identity: string | null;
  comment: string | null;
  collation: string | null;
  storage: string | null;
  compression: string | null;
  statisticsTarget: number | null;
  foreignOptions: string[];
}
interface Table extends Named {
  kind: string;
  columns: Column[];
  indexes: {
    name: string;
    definition: string;
    unique: boolean;
    primary: boolean;
    valid: boolean;
    clustered: boolean;
    replicaIdentity: boolean;
    constraint: string | null;
    tablespace: string | null;
  }[];
  constraints: { name: string; kind: string; definition: string; deferrable: boolean }[];
  referencedBy: { name: string; table: Named }[];
  triggers: { name: string; definition: string; fires: string }[];
  policies: {
    name: string;
    command: string;
    permissive: boolean;
    roles: string[];
    using: string | null;
    check: string | null;
  }[];
  rules: { definition: string; fires: string }[];
  parents: Named[];
  children: { nodes: Named[] };
  partitions: { nodes: (Named & { kind: string; partitionBound: string })[] };
  partitionKey: string | null;
  partitionBound: string | null;
  rowSecurity: boolean;
  forceRowSecurity: boolean;
  foreignServer: string | null;
  foreignOptions: string[];
  definition: string | null;
  accessMethod: string | null;
  options: string[];
  replicaIdentity: string;
  ofType: Named | null;
  extendedStatistics: { schema: string; name: string; definition: string; target: number | null }[];
  publications: {
    name: string;
    tables: { table: Named; columns: string[] | null; where: string | null }[];
  }[];
}

const named = 'name schema { name }';
const question = `query ($id: ID!, $schema: String!, $name: String!) { database(id: $id) { table(schema: $schema, name: $name) {
  ${named} kind definition partitionKey partitionBound rowSecurity forceRowSecurity foreignServer foreignOptions accessMethod options replicaIdentity
  columns { name dataType nullable default generated identity comment collation storage compression statisticsTarget foreignOptions }
  indexes { name definition unique primary valid clustered replicaIdentity constraint tablespace }
  constraints { name kind definition deferrable } referencedBy { name table { ${named} } }
  triggers { name definition fires } policies { name command permissive roles using check } rules { definition fires }
  parents { ${named} } children(first: 100) { nodes { ${named} } } partitions(first: 100) { nodes { ${named} kind partitionBound } }
  ofType { ${named} } extendedStatistics { schema name definition target }
  publications { name tables { table { ${named} } columns where } } } } }`;

/** As psql separates them, so that no name can. */
const [field, record] = ['\x1f', '\x1e'];
const bare = (text: string) => text.replaceAll(/[()\s]/g, '');

describe.runIf(hasPostgres15)('psql 15', () => {
  let server: TestServer & AsyncDisposable;
  let quarry: Quarry;
  let account: Account;

  beforeAll(async () => {
    [server, quarry] = await Promise.all([startPostgres15(), startPlainQuarry()]);
    account = await quarry.register();
  });
  afterAll(async () => {
    await quarry?.[Symbol.asyncDispose]();
    await server?.[Symbol.asyncDispose]();
  });

  async function ask<Data>(query: string, variables: object): Promise<Data> {
    const { data, errors } = await quarry.execute<Data, object>(query, variables, account);
    if (!data || errors) throw new Error(JSON.stringify(errors));
    return data;
  }

  async function connect({ host, port, user, database }: TestDatabase): Promise<string> {
    const connection = { engine: 'POSTGRESQL', host, port, user, database, password: 'trusted' };
    const { connectDatabase } = await ask<{ connectDatabase: { database: { id: string } } }>(
      'mutation ($input: ConnectDatabaseInput!) { connectDatabase(input: $input) { database { id } } }',
      { input: { name: database, connection } },
    );
    return connectDatabase.database.id;
  }

  /** The rows of columns, and what stands below. */
  async function described(
    { database }: TestDatabase,
    oid: string,
  ): Promise<{ columns: Map<string, string>[]; below: string[] }> {
    const arguments_ = [
      '-X',
      '-A',
      '-F',
      field,
      '-R',
      record,
      '-h',
      server.host,
      '-p',
      `${server.port}`,
      '-U',
      'postgres',
      '-d',
      database,
    ];
    const { stdout } = await run('/usr/lib/postgresql/15/bin/psql', [...arguments_, '-c', `\\d+ ${oid}`], {
      // As Quarry's own sessions are.
      env: { PGOPTIONS: '-c search_path= -c intervalstyle=iso_8601', LC_ALL: 'C.UTF-8' },
    });
    const [, head = '', ...rest] = stdout.replace(/\n$/, '').split(record);
    const titles = head.split(field);
    const isRow = (text: string) => text.split(field).length === titles.length && titles.length > 1;
    const rows = rest.filter(isRow).map((row) => row.split(field));
    return {
      columns: rows.map((row) => new Map(titles.map((title, place) => [title, row[place] ?? '']))),
      below: rest.filter((text) => !isRow(text)),
    };
  }

  test.each([
    ['every kind of object', kinds('kinds') + kinds('kinds-15')],
    ['names that are hard to carry', fixture],
  ])('prints nothing of %s that the graph does not say', async (_name, sql) => {
    await using database = await createTestDatabase(sql, server);
    const id = await connect(database);
    const { rows: relations } = await database.client.query<{ schema: string; name: string; quoted: string }>(
      `select n.nspname as schema, c.relname as name, quote_ident(n.nspname) || '.' || quote_ident(c.relname) as quoted
       from pg_class c join pg_namespace n on n.oid = c.relnamespace
       where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname !~ '^pg_|^information_schema$' order by 1, 2`,
    );
    const keyOf = ({ schema, name }: { schema: string; name: string }) => JSON.stringify([schema, name]);
    const quoted = new Map(relations.map((relation) => [keyOf(relation), relation.quoted]));
    const nameOf = ({ schema, name }: Named) =>
      quoted.get(keyOf({ schema: schema.name, name })) ?? `${schema.name}.${name}`;
    const tables = new Map<string, Table>();
    for (const { schema, name } of relations) {
      const { database: found } = await ask<{ database: { table: Table } }>(question, { id, schema, name });
      tables.set(keyOf({ schema, name }), found.table);
    }
    const tableOf = ({ schema, name }: Named) => tables.get(keyOf({ schema: schema.name, name }))!;
    const missing: string[] = [];
    for (const relation of relations) {
      const table = tables.get(keyOf(relation))!;
      const { columns, below } = await described(database, relation.quoted);
      expect(columns.length, relation.quoted).toBe(table.columns.length);
      for (const [place, printed] of columns.entries()) {
        for (const fault of faultsOf(printed, table.columns[place]!)) missing.push(`${relation.quoted}: ${fault}`);
      }
      const said = new Set(saidOf(table, { nameOf, tableOf }).map(bare));
      let section = '';
      for (const line of below) {
        if (/^[A-Z][^"]*:$/.test(line)) {
          section = line;
          continue;
        }
        // What a partition's rows must be follows from its bound.
        if (/^(Partition constraint|No partition constraint)/.test(line)) continue;
        const text = bare(line.replace(/,$/, ''));
        if (!said.has(text) && !said.has(bare(`${section}${text}`)))
          missing.push(`${relation.quoted}: ${section} ${line}`);
      }
    }
    expect(missing).toEqual([]);
  });
});

const literal = (value: string) => `'${value.replaceAll("'", "''")}'`;

/** `name 'value', …` of `name=value`. */
const optionsOf = (options: readonly string[]): string =>
  options
    .map((option) => {
      const [, name = '', value = ''] = /^([^=]*)=(.*)$/s.exec(option) ?? [];
      return `${/^[a-z_]+$/.test(name) ? name : `"${name}"`} ${literal(value)}`;
    })
    .join(', ');

function faultsOf(printed: ReadonlyMap<string, string>, column: Column): string[] {
  const identity = column.identity === null ? null : `generated ${column.identity.toLowerCase()} as identity`;
  const generated = column.generated === null ? null : `generated always as (${column.generated}) stored`;
  const expected: Record<string, string | null> = {
    Column: column.name,
    Type: column.dataType,
    Collation: column.collation ?? '',
    Default: identity ?? generated ?? column.default ?? '',
    // A column is not null by its domain, too, which psql does not say.
    Nullable: column.nullable ? '' : 'not null',
    Storage: column.storage?.toLowerCase() ?? null,
    Compression: column.compression ?? '',
    'Stats target': column.statisticsTarget === null ? '' : `${column.statisticsTarget}`,
    'FDW options': column.foreignOptions.length === 0 ? '' : `(${optionsOf(column.foreignOptions)})`,
    Description: column.comment ?? '',
  };
  return [...printed].flatMap(([title, text]) => {
    const said = expected[title];
    // The storage of its type is the type's.
    if (said === null || (title === 'Nullable' && text === '')) return [];
    return said !== undefined && bare(said) === bare(text) ? [] : [`${column.name}.${title} is ${text}, not ${said}`];
  });
}

interface Others {
  nameOf(relation: Named): string;
  tableOf(relation: Named): Table;
}

const firing = { ORIGIN: '', DISABLED: 'Disabled ', ALWAYS: ' firing always', REPLICA: ' firing on replica only' };
const sectionOf = (what: string, fires: string): string =>
  fires === 'DISABLED'
    ? `Disabled ${what === 'Triggers' ? 'user triggers' : 'rules'}:`
    : `${what}${firing[fires as keyof typeof firing]}:`;

/** Every line that psql can print below the columns, as the graph tells it. */
function saidOf(table: Table, { nameOf, tableOf }: Others): string[] {
  const ancestors = (of: Table): Table[] =>
    of.partitionBound === null ? [] : of.parents.flatMap((parent) => [tableOf(parent), ...ancestors(tableOf(parent))]);
  const constraint = (of: Table, name: string | null) => of.constraints.find((one) => one.name === name);
  const lists = (word: string, items: string[]) => [
    `${word}: ${items.join(', ')}`,
    ...items.flatMap((item) => [`${word}: ${item}`, item]),
  ];
  const said: string[] = [];

  for (const index of table.indexes) {
    const keeps = constraint(table, index.constraint);
    const label = index.primary
      ? ' PRIMARY KEY,'
      : index.unique
        ? keeps?.kind === 'UNIQUE'
          ? ' UNIQUE CONSTRAINT,'
          : ' UNIQUE,'
        : '';
    const using = index.definition.slice(index.definition.indexOf(' USING ') + 7);
    const deferred = keeps?.deferrable
      ? ` DEFERRABLE${keeps.definition.includes('INITIALLY DEFERRED') ? ' INITIALLY DEFERRED' : ''}`
      : '';
    const body = keeps?.kind === 'EXCLUSION' ? keeps.definition : `${label} ${using}${deferred}`;
    const marks = [
      index.clustered ? ' CLUSTER' : '',
      index.valid ? '' : ' INVALID',
      index.replicaIdentity ? ' REPLICA IDENTITY' : '',
    ].join('');
    said.push(`Indexes:"${index.name}" ${body}${marks}`);
  }
  for (const { name, kind, definition } of table.constraints) {
    if (kind === 'CHECK') said.push(`Check constraints:"${name}" ${definition}`);
    if (kind === 'FOREIGN_KEY') said.push(`Foreign-key constraints:"${name}" ${definition}`);
  }
  for (const above of ancestors(table)) {
    for (const { name, kind, definition } of above.constraints) {
      if (kind === 'FOREIGN_KEY')
        said.push(`Foreign-key constraints:TABLE "${nameOf(above)}" CONSTRAINT "${name}" ${definition}`);
    }
  }
  for (const referenced of [table, ...ancestors(table)]) {
    for (const key of referenced.referencedBy) {
      const { definition = '' } = constraint(tableOf(key.table), key.name) ?? {};
      said.push(`Referenced by:TABLE "${nameOf(key.table)}" CONSTRAINT "${key.name}" ${definition}`);
    }
  }
  const security = table.forceRowSecurity ? ' (forced row security enabled)' : '';
  const policies = table.rowSecurity ? `Policies${security}:` : 'Policies (row security disabled):';
  if (table.rowSecurity && table.policies.length === 0)
    said.push(`Policies (${table.forceRowSecurity ? 'forced ' : ''}row security enabled): (none)`);
  for (const { name, command, permissive, roles, using, check } of table.policies) {
    const everybody = roles.length === 1 && roles[0] === 'public';
    said.push(
      `${policies}POLICY "${name}"${permissive ? '' : ' AS RESTRICTIVE'}${command === 'ALL' ? '' : ` FOR ${command}`}${
        everybody ? '' : ` TO ${roles.toSorted().join(',')}`
      }${using === null ? '' : ` USING (${using})`}${check === null ? '' : ` WITH CHECK (${check})`}`,
    );
  }
  for (const { schema, name, definition, target } of table.extendedStatistics) {
    const rest = definition.replace(/^CREATE STATISTICS .*?( \(| ON )/s, '$1');
    said.push(`Statistics objects:"${schema}.${name}" ${rest}${target === null ? '' : `; STATISTICS ${target}`}`);
  }
  for (const { definition, fires } of table.rules) {
    said.push(`${sectionOf('Rules', fires)}${definition.replace('CREATE RULE ', '').replace(/;$/, '')}`);
  }
  for (const { definition, fires, name } of table.triggers) {
    const body = definition.slice(definition.indexOf(' TRIGGER ') + 9);
    said.push(`${sectionOf('Triggers', fires)}${body}`);
    for (const above of ancestors(table)) {
      if (above.triggers.some((one) => one.name === name))
        said.push(`${sectionOf('Triggers', fires)}${body}, ON TABLE ${nameOf(above)}`);
    }
  }
  for (const { name, tables } of table.publications) {
    const own = tables.find((one) => nameOf(one.table) === nameOf(table));
    const columns = own?.columns ? ` (${own.columns.join(', ')})` : '';
    said.push(`Publications:"${name}"${columns}${own?.where ? ` WHERE ${own.where}` : ''}`);
  }
  if (table.partitionBound !== null)
    said.push(`Partition of: ${table.parents.map(nameOf).join()} ${table.partitionBound}`);
  if (table.partitionKey !== null) said.push(`Partition key: ${table.partitionKey}`);
  if (table.kind === 'PARTITIONED_TABLE') {
    said.push(`Number of partitions: ${table.partitions.nodes.length}`);
    said.push(
      ...lists(
        'Partitions',
        table.partitions.nodes.map(
          (partition) =>
            `${nameOf(partition)} ${partition.partitionBound}${partition.kind === 'PARTITIONED_TABLE' ? ', PARTITIONED' : ''}`,
        ),
      ),
    );
  }
  said.push(...lists('Inherits', table.parents.map(nameOf)));
  said.push(...lists('Child tables', table.children.nodes.map(nameOf)));
  if (table.ofType) said.push(`Typed table of type: ${nameOf(table.ofType)}`);
  if (table.replicaIdentity !== 'DEFAULT') said.push(`Replica Identity: ${table.replicaIdentity}`);
  if (table.accessMethod !== null) said.push(`Access method: ${table.accessMethod}`);
  if (table.options.length > 0) said.push(`Options: ${table.options.join(', ')}`);
  if (table.foreignServer !== null) said.push(`Server: ${table.foreignServer}`);
  if (table.foreignOptions.length > 0) said.push(`FDW options: (${optionsOf(table.foreignOptions)})`);
  if (table.definition !== null) said.push(`View definition:${table.definition}`, table.definition);
  return said;
}
