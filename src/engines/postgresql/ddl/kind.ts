/** A kind of object whose statements PostgreSQL itself puts together: one query of one catalogue. */
import type { SqlValue, TextRow } from '../catalog/rows.ts';
import { firstUserOid } from '../snapshot/oids.ts';
import { type Ask, askPrinted } from '../snapshot/source.ts';
import { type DdlObject, whole } from './object.ts';

/** What a script is about: everything in the database, or the objects whose oids are named, by their catalogue. */
export interface Scope {
  readonly ask: Ask;
  /** `server_version_num`. */
  readonly version: number;
  readonly chosen: ReadonlyMap<string, readonly string[]> | null;
}

export interface Kind {
  readonly catalog: string;
  readonly rank: number;
  /** Where a catalogue's object is written in several places: which one this is. */
  readonly suffix?: string;
  /**
   * Rows (oid, schema, name, statements, JSON list of further addresses that it needs or null) of those rows `o` of the
   * catalogue that hold the condition `asked`. The search_path is empty, so PostgreSQL prints every name with its schema.
   */
  sql(scope: { readonly asked: string; readonly version: number }): string;
  /** Printing it locks what it is about. */
  readonly locks?: true;
  /** From which version on the catalogue is there. */
  readonly since?: number;
}

/** The condition that a row `o` of a catalogue is part of the script, and the values that it binds. */
export function asked({ chosen }: Scope, catalog: string): { condition: string; values: SqlValue[] } {
  const which = chosen ? 'o.oid = any($1::oid[])' : `o.oid >= ${firstUserOid}`;
  // What an extension made comes with it.
  const member = `exists (select from pg_depend e where e.classid = '${catalog}'::regclass and e.objid = o.oid and e.deptype = 'e')`;
  return { condition: `(${which} and not ${member})`, values: chosen ? [chosen.get(catalog) ?? []] : [] };
}

/** What was chosen as two lists, to be bound: the catalogues and the oids. */
export function addressesOf(chosen: ReadonlyMap<string, readonly string[]>): [string[], string[]] {
  const addresses = [...chosen].flatMap(([catalog, oids]) => oids.map((oid) => ({ catalog, oid })));
  return [addresses.map(({ catalog }) => catalog), addresses.map(({ oid }) => oid)];
}

/** Rows of a query that prints what locks the relations in it: see askPrinted. */
export async function printed(
  scope: Scope,
  { catalog, which = 'true', sql }: { catalog: string; which?: string; sql: (asked: string) => string },
): Promise<TextRow[]> {
  const { condition, values } = asked(scope, catalog);
  const oids = await scope.ask(`select o.oid from ${catalog} o where ${condition} and ${which}`, values);
  return askPrinted(
    scope.ask,
    oids.map(([oid]) => oid ?? ''),
    sql('o.oid = any($1::oid[])'),
  );
}

export async function readKind(scope: Scope, kind: Kind): Promise<DdlObject[]> {
  const { ask, version, chosen } = scope;
  if (kind.since !== undefined && version < kind.since) return [];
  const { catalog, locks } = kind;
  if (chosen && !chosen.has(catalog)) return [];
  const { condition, values } = asked(scope, catalog);
  const rows = locks
    ? await printed(scope, { catalog, sql: (among) => kind.sql({ asked: among, version }) })
    : await ask(kind.sql({ asked: condition, version }), values);
  return rows.flatMap(([oid, schema, name, sql, needs]) => {
    // Dropped since the transaction began: what prints statements sees the catalogue of now.
    if (sql === null || sql === undefined) return [];
    const key = `${kind.catalog}:${oid}${kind.suffix ?? ''}`;
    const more: string[] = needs ? JSON.parse(needs) : [];
    return [whole({ key, rank: kind.rank, schema: schema ?? null, name: name ?? '', sql, needs: more })];
  });
}
