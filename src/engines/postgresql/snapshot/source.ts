/** What every kind of a snapshot is read with: one transaction's statements, and the schemas, names and texts of what is in it. */
import { boolean, type SqlValue, type TextRow } from '../catalog/rows.ts';
import { notSystem } from '../catalog/sql.ts';
import type { EachRow } from '../row-texts.ts';
import { firstUserOid } from './oids.ts';
import { createRemarks, type Remarks } from './remarks.ts';

/**
 * One statement of the snapshot's transaction, answered in the order of asking: kinds are asked for at once, so that the
 * server always has the next one, and each is put together while it reads on. @param each takes the rows, and none are kept
 */
export type Ask = (sql: string, values?: readonly SqlValue[], each?: EachRow) => Promise<TextRow[]>;

export interface SchemaRow {
  readonly id: string;
  readonly name: string;
  readonly owner: string | null;
  readonly privileges: string | null;
}

export interface Source extends Remarks {
  readonly ask: Ask;
  /** Asks which rare kinds there are now, and not when the first is asked about. */
  readKinds(): Promise<unknown>;
  hasAny(kind: RareKind): Promise<boolean>;
  /** Asks nothing where the database has none of that kind. */
  readonly askWhereAny: (kind: RareKind, ...statement: Parameters<Ask>) => Promise<TextRow[]>;
  /** As `server_version_num`: 180004. */
  readonly version: number;
  readonly schemas: readonly SchemaRow[];
  readonly schemaIds: readonly string[];
  schemaName(oid: string): string;
  /** A name as SQL has to write it. */
  quoted(name: string): string;
  /** The same text for equal ones, so that a thousand owners are kept once. */
  intern<Text extends string | null>(text: Text): Text;
}

/** What most databases have none of: to look for all of them is cheaper than to plan what reads one. */
const rareKinds = {
  RANGE: `pg_range o where o.rngtypid >= ${firstUserOid}`,
  ROUTINE: `pg_proc o where o.oid >= ${firstUserOid}`,
  INHERITANCE: 'pg_inherits',
  TRIGGER: 'pg_trigger o where not o.tgisinternal',
  POLICY: 'pg_policy',
  RULE: `pg_rewrite o where o.oid >= ${firstUserOid} and o.rulename <> '_RETURN'`,
  STATISTICS: 'pg_statistic_ext',
  EVENT_TRIGGER: 'pg_event_trigger',
  FOREIGN_DATA: 'pg_foreign_data_wrapper',
  PUBLICATION: 'pg_publication',
} as const;
/** Of the pg_type row `o`: made of functions, or only promised. Arrays are many, and none of them is made by itself. */
export const isBaseType = `(o.typtype in ('b', 'p') and (o.typcategory <> 'A' or o.typelem = 0))`;
/** As `rareKinds`, of a catalogue that is long where there are many tables: it is gone through once. */
const rareKindsOfTypes = `select distinct case o.typtype when 'e' then 'ENUM' when 'd' then 'DOMAIN' else 'BASE_TYPE' end
  from pg_catalog.pg_type o where o.oid >= ${firstUserOid} and (o.typtype in ('e', 'd') or ${isBaseType})`;
type RareKind = keyof typeof rareKinds | 'ENUM' | 'DOMAIN' | 'BASE_TYPE';

const rareKindsThere = [
  ...Object.entries(rareKinds).map(([kind, rows]) => `select '${kind}' where exists (select from pg_catalog.${rows})`),
  rareKindsOfTypes,
].join('\nunion all ');

/**
 * For the transaction: nothing but the server's own goes unqualified, nobody's function comes before one of these, and
 * names and literals are printed alike, whatever the database or the role is set to.
 */
export const printedAlike = `select pg_catalog.set_config('search_path', '', true),
  pg_catalog.set_config('quote_all_identifiers', 'off', true), pg_catalog.set_config('standard_conforming_strings', 'on', true)`;

export async function openSource(ask: Ask): Promise<Source> {
  const [[[version = null] = []], keywords, schemaRows] = await Promise.all([
    ask(`select current_setting('server_version_num')`),
    ask(`select word from pg_get_keywords() where catcode <> 'U'`),
    ask(
      `select n.oid, n.nspname, pg_get_userbyid(n.nspowner), n.nspacl::text from pg_catalog.pg_namespace n where ${notSystem('n')}`,
    ),
  ]);
  const schemas = schemaRows.map(([id, name, owner, privileges]) => ({
    id: id ?? '',
    name: name ?? '',
    owner: owner ?? null,
    privileges: privileges ?? null,
  }));
  const names = new Map(schemas.map(({ id, name }) => [id, name]));
  const reserved = new Set(keywords.map(([word]) => word));
  const longestReserved = Math.max(0, ...keywords.map(([word]) => word?.length ?? 0));
  const interned = new Map<string, string>();
  let kindsThere: Promise<ReadonlySet<string | null | undefined>> | undefined;
  const readKinds = () => {
    kindsThere ??= awaitedLater(ask(rareKindsThere).then((rows) => new Set(rows.map(([kind]) => kind))));
    return kindsThere;
  };
  const hasAny = async (kind: RareKind) => (await readKinds()).has(kind);
  return {
    ...createRemarks(ask),
    ask,
    readKinds,
    hasAny,
    askWhereAny: async (kind, ...statement) => ((await hasAny(kind)) ? ask(...statement) : []),
    version: Number(version),
    schemas,
    schemaIds: schemas.map(({ id }) => id),
    schemaName: (oid) => names.get(oid) ?? '',
    // As quote_identifier() of the server does it: most names need no quotes, and to have each printed takes it longer than to send it.
    quoted: (name) =>
      plainName.test(name) && (name.length > longestReserved || !reserved.has(name))
        ? name
        : `"${name.replaceAll('"', '""')}"`,
    intern<Text extends string | null>(text: Text): Text {
      if (text === null) return text;
      const known = interned.get(text);
      if (known !== undefined) return known as Text;
      interned.set(text, text);
      return text;
    },
  };
}

const plainName = /^[a-z_][a-z0-9_]*$/;

/** Whoever awaits it hears it fail; where something else failed before, nobody does, and need not. */
export function awaitedLater<Value>(promise: Promise<Value>): Promise<Value> {
  promise.catch(() => undefined);
  return promise;
}

/** Of a flag that is sent as null where it is as it mostly is. */
export const flagOr = (text: string | null, usual: boolean): boolean => (text === null ? usual : boolean(text));

/** Puts rows together by what they belong to. */
export function groupedBy<Row extends TextRow>(rows: readonly TextRow[], place = 0): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = row[place] ?? '';
    const group = groups.get(key);
    if (group) group.push(row as Row);
    else groups.set(key, [row as Row]);
  }
  return groups;
}

/**
 * Printing a query locks the relations in it until the transaction ends, or what was done since a savepoint is undone:
 * thousands of views in one transaction would fill the server's table of locks, and hold up whoever changes them.
 */
const printedAtOnce = 500;

/** Asks about `oids`, some at a time and without keeping locks; `sql` takes them as $1. */
export async function askPrinted(ask: Ask, oids: readonly string[], sql: string): Promise<TextRow[]> {
  const rows: TextRow[] = [];
  for (let from = 0; from < oids.length; from += printedAtOnce) {
    // Asked at once, no other statement gets between them.
    const [, printed] = await Promise.all([
      ask('savepoint printed'),
      ask(sql, [oids.slice(from, from + printedAtOnce)]),
      ask('rollback to savepoint printed'),
    ]);
    rows.push(...printed);
  }
  return rows;
}

/** Nothing is asked about nothing. */
export const askAbout = async (ask: Ask, oids: readonly string[], sql: string): Promise<TextRow[]> =>
  oids.length === 0 ? [] : await ask(sql, [oids]);
