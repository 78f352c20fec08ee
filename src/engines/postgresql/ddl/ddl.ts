/**
 * Statements that make a database again, or a part of it with what that needs, in an order that runs on an empty one.
 * Rows are no part of them. Owners, privileges and tablespaces are left out, since roles and tablespaces are the server's
 * and not the database's; the roles that a policy names are kept, since without them it would be everybody's, and have
 * to be there. What cannot be made again is a comment that names it.
 *
 * The way is that of pg_dump, and of its documentation: what is there is read by set from pg_catalog, its order is that of
 * pg_depend, and a circle is cut where a statement can follow later.
 */
import { AppError } from '../../../lib/errors.ts';
import type { DdlSelection } from '../../catalog.ts';
import type { SqlValue } from '../catalog/rows.ts';
import { notSystem } from '../catalog/sql.ts';
import { hasMoved } from '../snapshot/moved.ts';
import type { Ask } from '../snapshot/source.ts';
import { foreignData } from './foreign.ts';
import { foundations } from './foundations.ts';
import { keys } from './keys.ts';
import { addressesOf, readKind, type Scope } from './kind.ts';
import type { Address, DdlObject, Edge } from './object.ts';
import { dependencies, order } from './order.ts';
import { publications } from './publications.ts';
import { readLeftOut, readRemarks } from './remarks.ts';
import { routines } from './routines.ts';
import { rules } from './rules.ts';
import { select } from './selection.ts';
import { sequences } from './sequences.ts';
import { readTables } from './tables.ts';
import { types } from './types.ts';
import { readViews } from './views.ts';

/** Of one script. */
const maxScriptBytes = 2 ** 26;

const kinds = [...foundations, ...types, ...routines, ...foreignData, ...sequences, ...keys, ...rules, ...publications];

/**
 * Sets, for the transaction, that every name is printed with its schema, and every value in one form wherever it is read
 * again. One row: `server_version_num`, the version in words, the database's name as SQL, and the oids of the schemas.
 */
const opening = `select current_setting('server_version_num'), current_setting('server_version'), quote_ident(current_database()),
    array_to_string(array(select n.oid from pg_namespace n where ${notSystem('n')}), ' '),
    set_config('search_path', '', true), set_config('datestyle', 'ISO', true), set_config('intervalstyle', 'postgres', true),
    set_config('extra_float_digits', '3', true), set_config('quote_all_identifiers', 'off', true),
    set_config('standard_conforming_strings', 'on', true)`;

const header = `SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SET check_function_bodies = false;
SET default_tablespace = '';
SET default_table_access_method = heap;
SELECT pg_catalog.set_config('search_path', '', false);`;

/**
 * The whole database; a list of selections otherwise, each a script of its own. Null where statements may be of another
 * moment than what is in them. @throws AppError LIMIT_EXCEEDED
 */
export async function readDdl(
  query: (sql: string, values: readonly SqlValue[]) => ReturnType<Ask>,
  selections: readonly DdlSelection[] | null,
): Promise<(string | null)[] | null> {
  const ask: Ask = (sql, values = []) => query(sql, values);
  const [[version, printed, database, schemaIds] = []] = await ask(opening);
  const chosen = selections && (await select(ask, selections));
  const scope: Scope = { ask, version: Number(version), chosen: chosen && byCatalog(chosen) };
  const relations = !scope.chosen || scope.chosen.has('pg_class') ? [readTables, readViews] : [];
  const [found, edges, remarks, leftOut] = await Promise.all([
    Promise.all([...kinds.map((kind) => readKind(scope, kind)), ...relations.map((read) => read(scope))]),
    readEdges(scope),
    readRemarks(scope),
    selections ? [] : readLeftOut(ask),
  ]);
  if (await hasMoved({ ask, schemaIds: schemaIds ? schemaIds.split(' ') : [] })) return null;
  const objects = found.flat();
  const known = dependencies(objects, edges);
  const title = `-- Database ${database}, PostgreSQL ${printed}`.replace(/[\r\n]+/g, ' ');

  const script = (addresses: ReadonlySet<Address> | null): string | null => {
    const among = addresses ? objects.filter(({ key }) => addresses.has(baseOf(key))) : objects;
    const ordered = order(among, known);
    if (addresses?.size === 0) return null;
    const written = new Map(ordered.map(({ object }) => [object.key, object]));
    const said = new Map<DdlObject, string[]>();
    for (const { of, sql } of remarks) {
      const object = written.get(of) ?? written.get(known.ownerOf(of)?.key ?? '');
      if (object) said.set(object, [...(said.get(object) ?? []), sql]);
    }
    const pieces = ordered.map(({ object, sql, circle }) =>
      [circle ? '-- Part of a circle: it may need what follows.' : '', sql, ...(said.get(object) ?? [])]
        .filter(Boolean)
        .join('\n'),
    );
    const text = [title, header, ...pieces, leftOut.join('\n')].filter(Boolean).join('\n\n');
    const bytes = Buffer.byteLength(text);
    if (bytes > maxScriptBytes) {
      throw new AppError(
        'LIMIT_EXCEEDED',
        `The statements are longer than ${maxScriptBytes} bytes; choose schemas or tables`,
        {
          details: { limit: maxScriptBytes, bytes },
        },
      );
    }
    return `${text}\n`;
  };
  return chosen ? chosen.map(script) : [script(null)];
}

const baseOf = (key: Address): Address => key.split('/', 1)[0] ?? key;

function byCatalog(sets: readonly ReadonlySet<Address>[]): Map<string, string[]> {
  const found = new Map<string, Set<string>>();
  for (const address of sets.flatMap((set) => [...set])) {
    const [catalog = '', oid = ''] = address.split(':');
    found.set(catalog, (found.get(catalog) ?? new Set()).add(oid));
  }
  return new Map([...found].map(([catalog, oids]) => [catalog, [...oids]]));
}

/** What needs what, as PostgreSQL keeps it, among the objects of users. */
async function readEdges({ ask, chosen }: Scope): Promise<Map<Address, Edge[]>> {
  const edges = new Map<Address, Edge[]>();
  const rows = await ask(
    `select distinct d.classid::regclass, d.objid, d.refclassid::regclass, d.refobjid, d.deptype from pg_depend d
    where d.objid >= 16384 and (d.refobjid >= 16384 or d.refclassid = 'pg_namespace'::regclass) and d.deptype <> 'x'
      ${chosen ? 'and (d.classid, d.objid) in (select * from unnest($1::regclass[], $2::oid[]))' : ''}
      -- Copies that partitions have of their parent's keys and triggers come with those.
      and not (d.classid = 'pg_trigger'::regclass and exists (
        select from pg_trigger t where t.oid = d.objid and (t.tgisinternal or t.tgparentid <> 0)))
      and not (d.classid = 'pg_constraint'::regclass and exists (
        select from pg_constraint k where k.oid = d.objid and k.contype = 'f' and k.conparentid <> 0))`,
    chosen ? addressesOf(chosen) : [],
  );
  for (const [catalog, oid, neededCatalog, needed, type] of rows) {
    const from = `${catalog}:${oid}`;
    const edge = { from, to: `${neededCatalog}:${needed}`, type: type ?? '' };
    const outgoing = edges.get(from);
    if (outgoing) outgoing.push(edge);
    else edges.set(from, [edge]);
  }
  return edges;
}
