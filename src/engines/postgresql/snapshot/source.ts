/** What every kind of a snapshot is read with: one transaction's statements, and names, comments and owners of what is in it. */
import { boolean, type SqlValue, type TextRow } from '../catalog/rows.ts';
import { notSystem } from '../catalog/sql.ts';

/**
 * One statement of the snapshot's transaction, answered in the order of asking: kinds are asked for at once, so that the
 * server always has the next one, and each is put together while it reads on. @param each takes the rows, and none are kept
 */
export type Ask = (sql: string, values?: readonly SqlValue[], each?: (row: TextRow) => void) => Promise<TextRow[]>;

/** Oids of the catalogues themselves: the same on every server (catalog/pg_*.h). */
export const catalogs = {
  pg_type: '1247',
  pg_proc: '1255',
  pg_class: '1259',
  pg_foreign_server: '1417',
  pg_foreign_data_wrapper: '2328',
  pg_am: '2601',
  pg_cast: '2605',
  pg_constraint: '2606',
  pg_conversion: '2607',
  pg_language: '2612',
  pg_namespace: '2615',
  pg_opclass: '2616',
  pg_operator: '2617',
  pg_rewrite: '2618',
  pg_trigger: '2620',
  pg_opfamily: '2753',
  pg_extension: '3079',
  pg_policy: '3256',
  pg_statistic_ext: '3381',
  pg_collation: '3456',
  pg_event_trigger: '3466',
  pg_transform: '3576',
  pg_ts_dict: '3600',
  pg_ts_parser: '3601',
  pg_ts_config: '3602',
  pg_ts_template: '3764',
  pg_publication: '6104',
} as const;
export type CatalogTable = keyof typeof catalogs;

/** Oids from here on are given out; below are the server's own. */
export const firstUserOid = 16384;

export interface SchemaRow {
  readonly id: string;
  readonly name: string;
  readonly owner: string | null;
  readonly privileges: string | null;
}

export interface Source {
  readonly ask: Ask;
  /** Asks nothing where the database has none of that kind. */
  readonly askWhereAny: (kind: RareKind, ...statement: Parameters<Ask>) => Promise<TextRow[]>;
  /** As `server_version_num`: 180004. */
  readonly version: number;
  readonly schemas: readonly SchemaRow[];
  readonly schemaIds: readonly string[];
  schemaName(oid: string): string;
  /** A name as SQL has to write it. */
  quoted(name: string): string;
  comment(catalog: CatalogTable, oid: string): string | null;
  /** Of a relation's columns, by their numbers. */
  columnComments(relation: string): ReadonlyMap<string, string>;
  isMember(catalog: CatalogTable, oid: string): boolean;
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
/** As these, of catalogues that are long where there are many tables: each is gone through once. */
const rareKindsOfMany = {
  pg_type: `select distinct case typtype when 'e' then 'ENUM' else 'DOMAIN' end from pg_catalog.pg_type
    where oid >= ${firstUserOid} and typtype in ('e', 'd')`,
  pg_class: `select distinct case relkind when 'c' then 'COMPOSITE' else 'TOAST_OPTIONS' end from pg_catalog.pg_class
    where relkind = 'c' and oid >= ${firstUserOid} or relkind = 't' and reloptions is not null`,
} as const;
type RareKind = keyof typeof rareKinds | 'ENUM' | 'DOMAIN' | 'COMPOSITE' | 'TOAST_OPTIONS';

const rareKindsThere = [
  ...Object.entries(rareKinds).map(([kind, rows]) => `select '${kind}' where exists (select from pg_catalog.${rows})`),
  ...Object.values(rareKindsOfMany),
].join('\nunion all ');

/**
 * For the transaction: nothing but the server's own goes unqualified, nobody's function comes before one of these, and
 * names and literals are printed alike, whatever the database or the role is set to.
 */
export const printedAlike = `select pg_catalog.set_config('search_path', '', true),
  pg_catalog.set_config('quote_all_identifiers', 'off', true), pg_catalog.set_config('standard_conforming_strings', 'on', true)`;

export async function openSource(ask: Ask): Promise<Source> {
  /** By catalogue and oid. */
  const comments = new Map<string, Map<string, string>>();
  /** By relation and number: nothing else has parts. */
  const columnComments = new Map<string, Map<string, string>>();
  const members = new Set<string>();
  const [[[version = null] = []], keywords, schemaRows, there] = await Promise.all([
    ask(`select current_setting('server_version_num')`),
    ask(`select word from pg_get_keywords() where catcode <> 'U'`),
    ask(
      `select n.oid, n.nspname, pg_get_userbyid(n.nspowner), n.nspacl::text from pg_catalog.pg_namespace n where ${notSystem('n')}`,
    ),
    ask(rareKindsThere),
    // All at once: joined to each kind they would cost a look-up for each object, and most have none.
    ask(
      `select classoid, objoid, nullif(objsubid, 0), description from pg_catalog.pg_description
       where objoid >= ${firstUserOid} or classoid = 'pg_catalog.pg_namespace'::regclass`,
      [],
      ([catalog, oid, part, text]) => {
        if (part === null || part === undefined) groupOf(comments, catalog ?? '').set(oid ?? '', text ?? '');
        else groupOf(columnComments, oid ?? '').set(part, text ?? '');
      },
    ),
    ask(
      `select d.classid, d.objid from pg_catalog.pg_depend d
       where d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e' and d.objid >= ${firstUserOid}`,
      [],
      ([catalog, oid]) => members.add(`${catalog} ${oid}`),
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
  const kindsThere = new Set(there.map(([kind]) => kind));
  const interned = new Map<string, string>();
  return {
    ask,
    askWhereAny: async (kind, ...statement) => (kindsThere.has(kind) ? ask(...statement) : []),
    version: Number(version),
    schemas,
    schemaIds: schemas.map(({ id }) => id),
    schemaName: (oid) => names.get(oid) ?? '',
    // As quote_identifier() of the server does it: most names need no quotes, and to have each printed takes it longer than to send it.
    quoted: (name) => (plainName.test(name) && !reserved.has(name) ? name : `"${name.replaceAll('"', '""')}"`),
    comment: (catalog, oid) => comments.get(catalogs[catalog])?.get(oid) ?? null,
    columnComments: (relation) => columnComments.get(relation) ?? noComments,
    isMember: (catalog, oid) => members.has(`${catalogs[catalog]} ${oid}`),
    intern<Text extends string | null>(text: Text): Text {
      if (text === null) return text;
      const known = interned.get(text);
      if (known !== undefined) return known as Text;
      interned.set(text, text);
      return text;
    },
  };
}

const noComments: ReadonlyMap<string, string> = new Map();

const plainName = /^[a-z_][a-z0-9_]*$/;

function groupOf<Value>(groups: Map<string, Map<string, Value>>, key: string): Map<string, Value> {
  const group = groups.get(key) ?? new Map<string, Value>();
  groups.set(key, group);
  return group;
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
