/**
 * Tables and foreign tables with their columns, defaults and checks. Partitions are made by themselves and attached, so
 * that their columns keep their order; a default or a check that would close a circle is taken out and follows.
 */
import type { TextRow } from '../catalog/rows.ts';
import { columnOptions, hasColumnOptions } from '../catalog/sql.ts';
import { asked, type Scope } from './kind.ts';
import { type DdlObject, type Part, ranks, whole } from './object.ts';
import { foreignOptions, parameters, schemaOf, sequenceOptions } from './sql.ts';

export async function readTables(scope: Scope): Promise<DdlObject[]> {
  const tables = await readRelations(scope);
  const columns = groupBy(await readColumns(scope), ([relation]) => relation ?? '');
  const checks = groupBy(await readChecks(scope), ([relation]) => relation ?? '');
  return tables.flatMap((row) => {
    const oid = row[0] ?? '';
    const parents: string[] = row[8] ? JSON.parse(row[8]) : [];
    const inherited = new Set(parents.flatMap((parent) => (columns.get(parent) ?? []).map(([, name]) => name ?? '')));
    return objectsOf(row, columns.get(oid) ?? [], checks.get(oid) ?? [], {
      inherited: [...inherited],
      version: scope.version,
    });
  });
}

/** Tables, and what has columns that can be given something beside: views have defaults, materialized views storage. */
const readRelations = (scope: Scope): Promise<TextRow[]> => {
  const { condition, values } = asked(scope, 'pg_class');
  const pending = scope.version >= 140_000 ? 'and not h.inhdetachpending' : '';
  return scope.ask(
    `select o.oid, n.nspname, o.relname, o.oid::regclass, o.relkind,
      case when o.relpersistence = 'u' then 'UNLOGGED ' end, o.relispartition,
      (select json_agg(h.inhparent::regclass order by h.inhseqno) from pg_inherits h where h.inhrelid = o.oid ${pending}),
      (select json_agg(h.inhparent::text order by h.inhseqno) from pg_inherits h where h.inhrelid = o.oid ${pending}),
      pg_get_partkeydef(o.oid), case when o.relispartition then pg_get_expr(o.relpartbound, o.oid) end,
      case when o.reloftype <> 0 then o.reloftype::regtype end, case when am.amname <> 'heap' then quote_ident(am.amname) end,
      concat_ws(', ', ${parameters('o.reloptions')}, ${parameters('t.reloptions', 'toast.')}),
      o.relrowsecurity, o.relforcerowsecurity, o.relreplident, quote_ident(s.srvname), ${foreignOptions('f.ftoptions')}
    from pg_class o ${schemaOf('o', 'relnamespace')}
    left join pg_am am on am.oid = o.relam
    left join pg_class t on t.oid = o.reltoastrelid
    left join pg_foreign_table f on f.ftrelid = o.oid left join pg_foreign_server s on s.oid = f.ftserver
    where ${condition} and o.relkind in ('r', 'p', 'f', 'v', 'm') and o.relpersistence <> 't'`,
    values,
  );
};

/** The name of a NOT NULL is written where it is not the one that it would be given. Before 18 it had none. */
const notNull = (version: number): { join: string; columns: string } =>
  version >= 180_000
    ? {
        join: `left join pg_constraint k on k.conrelid = a.attrelid and k.contype = 'n' and k.conkey[1] = a.attnum`,
        columns: `case when k.convalidated then case when k.conname = c.relname || '_' || a.attname || '_not_null' then ''
            else format('CONSTRAINT %I ', k.conname) end end,
          case when k.connoinherit then ' NO INHERIT' end, coalesce(k.convalidated and k.conislocal, false),
          'CONSTRAINT ' || quote_ident(k.conname) || ' '`,
      }
    : { join: '', columns: `case when a.attnotnull then '' end, null, false, null` };

const readColumns = (scope: Scope): Promise<TextRow[]> => {
  const { condition, values } = asked(scope, 'pg_class');
  const { join, columns } = notNull(scope.version);
  const compression = scope.version >= 140_000;
  const alter = `format(E'\\nALTER TABLE ONLY %s ALTER COLUMN %I `;
  return scope.ask(
    `select a.attrelid, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
      concat(case when a.attcollation <> ty.typcollation then ' COLLATE ' || a.attcollation::regcollation end,
        ${foreignOptions('a.attfdwoptions')}),
      case when sq.seqrelid is not null then format(' GENERATED %s AS IDENTITY%s',
        case a.attidentity when 'a' then 'ALWAYS' else 'BY DEFAULT' end, (
          select ' (' || ltrim(v.options) || ')' from (select concat(
            case when sq.relname <> c.relname || '_' || a.attname || '_seq' or sq.relnamespace <> c.relnamespace
              then ' SEQUENCE NAME ' || sq.seqrelid::regclass end, sq.options) as options) v where v.options <> '')) end,
      a.attgenerated, d.oid, pg_get_expr(d.adbin, d.adrelid), a.attislocal, ${columns},
      concat(
        case when a.attstorage <> ty.typstorage then ${alter}SET STORAGE %s;', a.attrelid::regclass, a.attname,
          case a.attstorage when 'p' then 'PLAIN' when 'e' then 'EXTERNAL' when 'x' then 'EXTENDED' else 'MAIN' end) end,
        ${
          compression
            ? `case when a.attcompression <> '' then ${alter}SET COMPRESSION %s;', a.attrelid::regclass, a.attname,
          case a.attcompression when 'p' then 'pglz' else 'lz4' end) end,`
            : ''
        }
        case when a.attstattarget >= 0 then ${alter}SET STATISTICS %s;', a.attrelid::regclass, a.attname, a.attstattarget) end,
        case when ${hasColumnOptions('a')} then ${alter}SET (%s);', a.attrelid::regclass, a.attname,
          ${parameters(columnOptions('a'))}) end,
        case when sq.relpersistence <> c.relpersistence then format(E'\\nALTER SEQUENCE %s SET %s;', sq.seqrelid::regclass,
          case sq.relpersistence when 'u' then 'UNLOGGED' else 'LOGGED' end) end),
      -- A default that the column's parent has and it has not.
      d.oid is null and a.attinhcount > 0 and exists (
        select from pg_inherits h join pg_attribute p on p.attrelid = h.inhparent and p.attname = a.attname
        where h.inhrelid = a.attrelid and p.atthasdef and p.attgenerated = '')
    from pg_class c ${schemaOf('c', 'relnamespace')}
    join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    join pg_type ty on ty.oid = a.atttypid
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join lateral (
      select s.seqrelid, x.relname, x.relnamespace, x.relpersistence, ${sequenceOptions('s')} as options
      from pg_depend y join pg_sequence s on s.seqrelid = y.objid join pg_class x on x.oid = s.seqrelid
      where y.classid = 'pg_class'::regclass and y.refclassid = 'pg_class'::regclass and y.refobjid = a.attrelid
        and y.refobjsubid = a.attnum and y.deptype = 'i' and a.attidentity <> '') sq on true
    ${join}
    where ${condition.replaceAll('o.oid', 'c.oid')} and c.relkind in ('r', 'p', 'f', 'v', 'm') and c.relpersistence <> 't'
    order by a.attrelid, a.attnum`,
    values,
  );
};

const readChecks = (scope: Scope): Promise<TextRow[]> => {
  const { condition, values } = asked(scope, 'pg_class');
  return scope.ask(
    `select k.conrelid, k.oid, 'CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid), k.conislocal
    from pg_class o join pg_constraint k on k.conrelid = o.oid
    where ${condition} and k.contype = 'c' and k.convalidated
    order by k.conrelid, k.conname`,
    values,
  );
};

/** @param inherited the columns of its parents, in their order */
function objectsOf(
  row: TextRow,
  columns: readonly TextRow[],
  checks: readonly TextRow[],
  { inherited, version }: { inherited: readonly string[]; version: number },
): DdlObject[] {
  const [oid, schema, label, name, relkind, unlogged, isPartition, parentNames, parentOids, partitionKey, bound] = row;
  const [ofType, method, storage, rowSecurity, forced, replica, server, options] = row.slice(11);
  const partition = isPartition === 't';
  // INHERITS puts the columns of parents first, also one that was added to them later, and before 16 takes no generated one
  // that is written. Such a table is made with all of its columns, and told to inherit; they are its own as well then.
  const later =
    !partition &&
    (inherited.some((column, place) => column !== columns[place]?.[1]) ||
      (version < 160_000 &&
        columns.some(
          ([, column, , , , generated, , , local]) => generated && local === 't' && inherited.includes(column ?? ''),
        )));
  const key = `pg_class:${oid}`;
  const named = { schema: schema ?? null, name: label ?? '' };
  const after: string[] = [];
  const separate: DdlObject[] = [];
  const items: { text: string; part?: Part; bare?: string }[] = [];

  for (const column of columns) {
    const [, quoted, type, details, identity, generated, defaultOid, expression, local] = column;
    const [notNullName, noInherit, notNullLocal, constraint, alters, withoutDefault] = column.slice(9);
    const alter = `ALTER TABLE ONLY ${name} ALTER COLUMN ${quoted}`;
    const address = `pg_attrdef:${defaultOid}`;
    const setDefault = `${alter} SET DEFAULT ${expression};`;
    after.push(alters ?? '');
    if (relkind === 'v' || relkind === 'm') {
      if (defaultOid)
        separate.push(whole({ ...named, key: address, rank: ranks.default, sql: setDefault, needs: [key] }));
      continue;
    }
    const written = partition || later || local === 't';
    const required = notNullName !== null && notNullName !== undefined;
    const notNull = required ? ` ${notNullName}NOT NULL${noInherit ?? ''}` : '';
    if (!written) {
      if (notNullLocal === 't') items.push({ text: `${constraint}NOT NULL ${quoted}${noInherit ?? ''}` });
      else if (required && constraint === null) after.push(`\n${alter} SET NOT NULL;`);
      if (defaultOid && !generated) {
        separate.push(whole({ ...named, key: address, rank: ranks.default, sql: setDefault, needs: [key] }));
      } else if (withoutDefault === 't') after.push(`\n${alter} DROP DEFAULT;`);
      continue;
    }
    const head = ofType ? `${quoted} WITH OPTIONS` : `${quoted} ${type}${details ?? ''}`;
    if (generated) {
      const kind = generated === 'v' ? '' : ' STORED';
      items.push({ text: `${head} GENERATED ALWAYS AS (${expression})${kind}${notNull}` });
    } else if (defaultOid) {
      const part = { address, rank: ranks.default, sql: setDefault };
      items.push({ text: `${head} DEFAULT ${expression}${notNull}`, part, bare: `${head}${notNull}` });
    } else if (!ofType || notNull || identity) items.push({ text: `${head}${identity ?? ''}${notNull}` });
    // A column that is written takes its parent's default all the same; DEFAULT NULL would stay with one of a domain.
    if (!partition && !later && withoutDefault === 't' && !identity) after.push(`\n${alter} DROP DEFAULT;`);
  }
  if (relkind === 'v' || relkind === 'm') {
    const sql = after.join('').trimStart();
    if (sql) separate.push(whole({ ...named, key: `${key}/columns`, rank: ranks.default, sql, needs: [key] }));
    return separate;
  }
  for (const [, check, text, local] of checks) {
    if (local !== 't' && !partition) {
      if (later) items.push({ text: text ?? '' });
      continue;
    }
    const sql = `ALTER TABLE ${name} ADD ${text};`;
    items.push({ text: text ?? '', part: { address: `pg_constraint:${check}`, rank: ranks.check, sql } });
  }

  if (rowSecurity === 't') after.push(`\nALTER TABLE ${name} ENABLE ROW LEVEL SECURITY;`);
  if (forced === 't') after.push(`\nALTER TABLE ONLY ${name} FORCE ROW LEVEL SECURITY;`);
  if (replica === 'n' && relkind !== 'f') after.push(`\nALTER TABLE ONLY ${name} REPLICA IDENTITY NOTHING;`);
  if (replica === 'f') after.push(`\nALTER TABLE ONLY ${name} REPLICA IDENTITY FULL;`);
  const parents: string[] = parentNames ? JSON.parse(parentNames) : [];
  const [parent]: string[] = partition && parentOids ? JSON.parse(parentOids) : [];
  if (later) for (const above of parents) after.push(`\nALTER TABLE ${name} INHERIT ${above};`);
  const tail = [
    !partition && !later && parents.length > 0 && `\nINHERITS (${parents.join(', ')})`,
    partitionKey && `\nPARTITION BY ${partitionKey}`,
    method && `\nUSING ${method}`,
    server && `\nSERVER ${server}${options ?? ''}`,
    storage && `\nWITH (${storage})`,
  ];
  const open = `CREATE ${relkind === 'f' ? 'FOREIGN ' : (unlogged ?? '')}TABLE ${name}${ofType ? ` OF ${ofType}` : ''}`;

  const table: DdlObject = {
    ...named,
    key,
    rank: ranks.table,
    sql: (without) => {
      const lines = items.flatMap(({ text, part, bare }) => {
        if (!part || !without.has(part.address)) return [text];
        return bare === undefined ? [] : [bare];
      });
      const body = lines.length > 0 ? ` (\n    ${lines.join(',\n    ')}\n)` : ofType ? '' : ' (\n)';
      return `${open}${body}${tail.filter(Boolean).join('')};${after.join('')}`;
    },
    parts: items.flatMap(({ part }) => part ?? []),
    needs: [],
  };
  if (partition && parent) {
    const sql = `ALTER TABLE ONLY ${parents[0]} ATTACH PARTITION ${name} ${bound};`;
    const needs = [key, `pg_class:${parent}`];
    separate.push(whole({ ...named, key: `${key}/attach`, rank: ranks.attach, sql, needs }));
  }
  return [table, ...separate];
}

function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
