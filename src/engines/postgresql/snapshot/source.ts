/** What every kind of a snapshot is read with: one transaction's statements, and names, comments and owners of what is in it. */
import { boolean, type SqlValue, type TextRow } from '../catalog/rows.ts';
import { notSystem } from '../catalog/sql.ts';

/** One statement of the snapshot's transaction. */
export type Ask = (sql: string, values?: readonly SqlValue[]) => Promise<TextRow[]>;

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
  /** As `server_version_num`: 180004. */
  readonly version: number;
  readonly schemas: readonly SchemaRow[];
  readonly schemaIds: readonly string[];
  schemaName(oid: string): string;
  /** @param part a column's number */
  comment(catalog: CatalogTable, oid: string, part?: string): string | null;
  isMember(catalog: CatalogTable, oid: string): boolean;
  /** The same text for equal ones, so that a thousand owners are kept once. */
  intern<Text extends string | null>(text: Text): Text;
}

export async function openSource(ask: Ask): Promise<Source> {
  const [[version = null] = []] = await ask(`select current_setting('server_version_num')`);
  const schemas = (
    await ask(
      `select n.oid, n.nspname, pg_get_userbyid(n.nspowner), n.nspacl::text from pg_catalog.pg_namespace n where ${notSystem('n')}`,
    )
  ).map(([id, name, owner, privileges]) => ({
    id: id ?? '',
    name: name ?? '',
    owner: owner ?? null,
    privileges: privileges ?? null,
  }));
  const names = new Map(schemas.map(({ id, name }) => [id, name]));
  const comments = await readComments(ask);
  const members = new Set(
    (
      await ask(
        `select d.classid, d.objid from pg_catalog.pg_depend d
         where d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e' and d.objid >= ${firstUserOid}`,
      )
    ).map(([catalog, oid]) => `${catalog} ${oid}`),
  );
  const interned = new Map<string, string>();
  return {
    ask,
    version: Number(version),
    schemas,
    schemaIds: schemas.map(({ id }) => id),
    schemaName: (oid) => names.get(oid) ?? '',
    comment: (catalog, oid, part = '0') => comments.get(catalogs[catalog])?.get(placeOf(oid, part)) ?? null,
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

/** All at once: joined to each kind they would cost a look-up for each object, and most have none. */
async function readComments(ask: Ask): Promise<Map<string, Map<string, string>>> {
  const comments = new Map<string, Map<string, string>>();
  const rows = await ask(
    `select classoid, objoid, nullif(objsubid, 0), description from pg_catalog.pg_description
     where objoid >= ${firstUserOid} or classoid = 'pg_catalog.pg_namespace'::regclass`,
  );
  for (const [catalog = '', oid = '', part, text] of rows) {
    const ofCatalog = comments.get(catalog ?? '') ?? new Map<string, string>();
    comments.set(catalog ?? '', ofCatalog.set(placeOf(oid ?? '', part ?? '0'), text ?? ''));
  }
  return comments;
}

const placeOf = (oid: string, part: string) => (part === '0' ? oid : `${oid}.${part}`);

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
    await ask('savepoint printed');
    rows.push(...(await ask(sql, [oids.slice(from, from + printedAtOnce)])));
    await ask('rollback to savepoint printed');
  }
  return rows;
}

/** Nothing is asked about nothing. */
export const askAbout = async (ask: Ask, oids: readonly string[], sql: string): Promise<TextRow[]> =>
  oids.length === 0 ? [] : await ask(sql, [oids]);
