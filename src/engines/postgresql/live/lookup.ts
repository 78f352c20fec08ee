/** Asks the catalogue what the objects are that a query mentions: relations, functions, and what bears a name. */
import type { FunctionName } from '../plan.ts';
import type { RelationName } from '../references.ts';
import type { Ask } from '../touched.ts';
import type { CalledFunction } from './functions.ts';
import type { NamedMentions } from './mentions.ts';

export interface FoundRelation {
  readonly oid: string;
  readonly label: string;
  /** As pg_class.relkind has it. */
  readonly kind: string;
  /** Unlogged and temporary ones are in no log. */
  readonly logged: boolean;
  /** Itself, unless it is a partition. */
  readonly root: { readonly oid: string; readonly schema: string; readonly name: string };
  /** Not of partitions. */
  readonly children: readonly string[];
  /** Some of its partitions are elsewhere, or in no log. */
  readonly strangeParts: boolean;
  /** Numbers of the columns of its primary key. */
  readonly key: readonly number[];
  /** Trees: of a view what it shows, of a table its policies. */
  readonly trees: readonly string[];
}

/** @returns those that are there */
export async function relationsOf(ask: Ask, oids: readonly string[]): Promise<FoundRelation[]> {
  const rows = await ask(
    `SELECT c.oid::text, pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), c.relkind::text,
            (c.relpersistence = 'p')::text, root.oid::text, rn.nspname::text, root.relname::text,
            (SELECT pg_catalog.json_agg(i.inhrelid::text) FROM pg_catalog.pg_inherits i
              WHERE i.inhparent = c.oid AND c.relkind IN ('r', 'f'))::text,
            (c.relkind = 'p' AND EXISTS (
               SELECT FROM pg_catalog.pg_partition_tree(c.oid) t JOIN pg_catalog.pg_class p ON p.oid = t.relid
                WHERE p.relkind = 'f' OR p.relpersistence <> 'p'))::text,
            (SELECT pg_catalog.to_json(k.conkey) FROM pg_catalog.pg_constraint k
              WHERE k.conrelid = c.oid AND k.contype = 'p')::text,
            CASE WHEN c.relkind = 'v' THEN
              (SELECT pg_catalog.json_agg(w.ev_action::text) FROM pg_catalog.pg_rewrite w
                WHERE w.ev_class = c.oid AND w.ev_type = '1')
            WHEN c.relrowsecurity THEN
              (SELECT pg_catalog.json_agg(p.polqual::text) FROM pg_catalog.pg_policy p
                WHERE p.polrelid = c.oid AND p.polqual IS NOT NULL)
            END::text
       FROM pg_catalog.pg_class c
       JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_catalog.pg_class root ON root.oid = coalesce(pg_catalog.pg_partition_root(c.oid), c.oid)
       JOIN pg_catalog.pg_namespace rn ON rn.oid = root.relnamespace
      WHERE c.oid = ANY ($1::oid[])`,
    [oids],
  );
  return rows.map(([oid, label, kind, logged, rootOid, schema, name, children, strangeParts, key, trees]) => ({
    oid: oid ?? '',
    label: label ?? '',
    kind: kind ?? '',
    logged: logged === 'true',
    root: { oid: rootOid ?? '', schema: schema ?? '', name: name ?? '' },
    children: listOf<string>(children),
    strangeParts: strangeParts === 'true',
    key: listOf<number>(key),
    trees: listOf<string>(trees),
  }));
}

export interface FoundFunction extends CalledFunction {
  /** Oids of the functions that an aggregate is made of. */
  readonly parts: readonly string[];
  /** Of one in SQL that was analysed when it was made, as of 14. */
  readonly tree: string | null;
  /** Of one in SQL that is analysed when it is called. */
  readonly body: string | null;
  /** Its own search path as it was set; null: that of the session. */
  readonly path: string | null;
}

/** @param operators whose functions are wanted as well */
export async function functionsOf(
  ask: Ask,
  oids: readonly string[],
  operators: readonly string[],
): Promise<FoundFunction[]> {
  const rows = await ask(
    `SELECT p.oid::text, n.nspname::text, p.proname::text,
            pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.proname),
            p.provolatile::text, l.lanname::text, p.pronargs::text,
            (SELECT pg_catalog.json_agg(part.oid::oid::text)
               FROM pg_catalog.pg_aggregate a
              CROSS JOIN LATERAL (VALUES (a.aggtransfn), (a.aggfinalfn), (a.aggcombinefn), (a.aggserialfn),
                                         (a.aggdeserialfn), (a.aggmtransfn), (a.aggminvtransfn), (a.aggmfinalfn)) AS part (oid)
              WHERE a.aggfnoid = p.oid AND part.oid::oid <> 0)::text,
            -- Not there in 13.
            CASE WHEN l.lanname = 'sql' THEN pg_catalog.to_jsonb(p) ->> 'prosqlbody' END,
            CASE WHEN l.lanname = 'sql' THEN p.prosrc END,
            (SELECT pg_catalog.substr(setting, 13) FROM pg_catalog.unnest(p.proconfig) AS setting
              WHERE setting LIKE 'search\\_path=%')
       FROM pg_catalog.pg_proc p
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
       JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      WHERE p.oid = ANY ($1::oid[])
         OR p.oid IN (SELECT o.oprcode FROM pg_catalog.pg_operator o WHERE o.oid = ANY ($2::oid[]))`,
    [oids, operators],
  );
  return rows.map(([oid, schema, name, label, volatility, language, count, parts, tree, body, path]) => ({
    oid: oid ?? '',
    schema: schema ?? '',
    name: name ?? '',
    label: label ?? '',
    volatility: volatility ?? '',
    language: language ?? '',
    arguments: Number(count),
    parts: listOf<string>(parts),
    tree: tree ?? null,
    body: body ?? null,
    path: path ?? null,
  }));
}

const listOf = <Item>(json: string | null | undefined): Item[] => (json ? (JSON.parse(json) as Item[]) : []);

export interface Found {
  readonly relations: readonly string[];
  readonly functions: readonly string[];
  readonly operators: readonly string[];
}

const noNames = ({ relations, functions, operators }: NamedMentions): boolean =>
  relations.length + functions.length + operators.length === 0;

/** Of a relation the first one in the search path; of functions and operators all of a name, since only the server knows which is meant. */
export async function find(ask: Ask, names: NamedMentions, path: readonly string[] | null): Promise<Found> {
  if (noNames(names)) return { relations: [], functions: [], operators: [] };
  const rows = await ask(
    `WITH path AS MATERIALIZED (SELECT coalesce($1::text[], pg_catalog.current_schemas(true)::text[]) AS names)
     SELECT * FROM (
       SELECT DISTINCT ON (w.place) 'relation', c.oid::text
         FROM path, ROWS FROM (pg_catalog.unnest($2::text[]), pg_catalog.unnest($3::text[])) WITH ORDINALITY AS w (schema, name, place)
         JOIN pg_catalog.pg_class c ON c.relname = w.name
         JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE CASE WHEN w.schema IS NULL THEN n.nspname::text = ANY (path.names) ELSE n.nspname = w.schema END
        ORDER BY w.place, pg_catalog.array_position(path.names, n.nspname::text)
     ) AS relations
     UNION ALL
     SELECT 'function', p.oid::text
       FROM path, ROWS FROM (pg_catalog.unnest($4::text[]), pg_catalog.unnest($5::text[])) AS w (schema, name)
       JOIN pg_catalog.pg_proc p ON p.proname = w.name
       JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      WHERE CASE WHEN w.schema IS NULL THEN n.nspname::text = ANY (path.names) ELSE n.nspname = w.schema END
     UNION ALL
     SELECT 'operator', o.oid::text
       FROM path, ROWS FROM (pg_catalog.unnest($6::text[]), pg_catalog.unnest($7::text[])) AS w (schema, name)
       JOIN pg_catalog.pg_operator o ON o.oprname = w.name
       JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
      WHERE CASE WHEN w.schema IS NULL THEN n.nspname::text = ANY (path.names) ELSE n.nspname = w.schema END`,
    [path, ...[names.relations, names.functions, names.operators].flatMap(columnsOf)],
  );
  const of = (kind: string) => rows.flatMap(([found, oid]) => (found === kind && oid ? [oid] : []));
  return { relations: of('relation'), functions: of('function'), operators: of('operator') };
}

const columnsOf = (names: readonly (RelationName | FunctionName)[]) => [
  names.map(({ schema }) => schema),
  names.map(({ name }) => name),
];

/** Changes with any of these objects: with a view's query, a function's body, a policy, and a name. */
export async function revisionOf(
  ask: Ask,
  relations: readonly string[],
  functions: readonly string[],
): Promise<string> {
  const rows = await ask(
    `SELECT pg_catalog.md5(coalesce(pg_catalog.string_agg(version, ',' ORDER BY version), ''))
       FROM (
         SELECT 'r' || c.oid || ':' || c.xmin FROM pg_catalog.pg_class c WHERE c.oid = ANY ($1::oid[])
         UNION ALL
         SELECT 'w' || w.oid || ':' || w.xmin FROM pg_catalog.pg_rewrite w WHERE w.ev_class = ANY ($1::oid[])
         UNION ALL
         SELECT 'p' || p.oid || ':' || p.xmin FROM pg_catalog.pg_policy p WHERE p.polrelid = ANY ($1::oid[])
         UNION ALL
         SELECT 'i' || i.inhrelid || ':' || i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhparent = ANY ($1::oid[])
         UNION ALL
         SELECT 'f' || f.oid || ':' || f.xmin FROM pg_catalog.pg_proc f WHERE f.oid = ANY ($2::oid[])
       ) AS versions (version)`,
    [relations, functions],
  );
  return rows[0]?.[0] ?? '';
}
