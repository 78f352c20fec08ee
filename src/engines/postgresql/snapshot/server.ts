/** What belongs to the database as a whole: extensions, event triggers, publications, foreign servers and their wrappers. */
import type {
  EventTrigger,
  ForeignDataWrapper,
  ForeignServer,
  Publication,
  SnapshotExtension,
} from '../../snapshot.ts';
import { boolean, byName, foreignOptions, nameOrNull, strings } from '../catalog/rows.ts';
import { firesOf } from '../catalog/rules.ts';
import { description, notFeed, notSystem, notTracking } from '../catalog/sql.ts';
import { readRoutineNames } from './rules.ts';
import { groupedBy, type Source } from './source.ts';

export async function readExtensions(source: Source): Promise<SnapshotExtension[]> {
  // plpgsql comes with the server: its oid, and that of its comment, are below those that are given out.
  const rows = await source.ask(
    `select e.oid, e.extname, e.extversion, n.nspname, d.description from pg_catalog.pg_extension e
     join pg_catalog.pg_namespace n on n.oid = e.extnamespace ${description('d', 'pg_extension', 'e.oid')}`,
  );
  return rows
    .map(([oid, name, version, schema = null, comment = null]) => ({
      id: oid ?? '',
      name: name ?? '',
      version: version ?? '',
      schema,
      comment,
    }))
    .sort(byName);
}

export async function readEventTriggers(source: Source): Promise<EventTrigger[]> {
  const rows = await source.askWhereAny(
    'EVENT_TRIGGER',
    `select e.oid, e.evtname, pg_get_userbyid(e.evtowner), e.evtevent, to_json(e.evttags), e.evtfoid, e.evtenabled
     from pg_catalog.pg_event_trigger e where ${notTracking('e.evtfoid')}`,
  );
  const functions = await readRoutineNames(source, [...new Set(rows.map(([, , , , , fn]) => fn ?? ''))]);
  return rows
    .filter(([oid]) => !source.isMember('pg_event_trigger', oid ?? ''))
    .map(([oid, name, owner = null, event, tags = null, fn, enabled]) => ({
      id: oid ?? '',
      name: name ?? '',
      owner,
      event: event ?? '',
      tags: strings(tags).sort(),
      function: functions.get(fn ?? '') ?? { schema: '', name: '', identity: '' },
      fires: firesOf(enabled ?? ''),
      comment: source.comment('pg_event_trigger', oid ?? ''),
    }))
    .sort(byName);
}

export async function readPublications(source: Source): Promise<Publication[]> {
  const { ask, askWhereAny, version } = source;
  const rows = await askWhereAny(
    'PUBLICATION',
    `select p.oid, p.pubname, pg_get_userbyid(p.pubowner), p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot,
      ${version >= 180000 ? 'p.pubgencols' : `'n'`}
     from pg_catalog.pg_publication p where ${notFeed('p')}`,
  );
  if (rows.length === 0) return [];
  const filters =
    version >= 150000
      ? `pg_get_expr(r.prqual, r.prrelid),
         (select json_agg(a.attname order by a.attnum) from pg_catalog.pg_attribute a
          where a.attrelid = r.prrelid and a.attnum = any(r.prattrs))`
      : 'null, null';
  const [ofTables, ofSchemas] = await Promise.all([
    ask(
      `select r.prpubid, json_build_array(n.nspname, c.relname), ${filters} from pg_catalog.pg_publication_rel r
       join pg_catalog.pg_class c on c.oid = r.prrelid
       join pg_catalog.pg_namespace n on n.oid = c.relnamespace and ${notSystem('n')}`,
    ),
    version >= 150000
      ? ask(
          `select s.pnpubid, n.nspname from pg_catalog.pg_publication_namespace s
           join pg_catalog.pg_namespace n on n.oid = s.pnnspid order by n.nspname`,
        )
      : [],
  ]);
  const [tables, schemas] = [groupedBy(ofTables), groupedBy(ofSchemas)];
  return rows
    .map(([oid = '', name, owner = null, all = null, ...flags]) => ({
      id: oid ?? '',
      name: name ?? '',
      owner,
      allTables: boolean(all),
      operations: ['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'].filter((_, place) => boolean(flags[place] ?? null)),
      viaPartitionRoot: boolean(flags[4] ?? null),
      generatedColumns: flags[5] === 's' ? 'STORED' : 'NONE',
      tables: (tables.get(oid ?? '') ?? [])
        .flatMap(([, relation, where = null, columns = null]) => {
          const table = nameOrNull(relation ?? null);
          return table ? [{ table, columns: columns === null ? null : strings(columns), where }] : [];
        })
        .sort((a, b) => (JSON.stringify(a.table) < JSON.stringify(b.table) ? -1 : 1)),
      schemas: (schemas.get(oid ?? '') ?? []).map(([, schema]) => schema ?? ''),
      comment: source.comment('pg_publication', oid ?? ''),
    }))
    .sort(byName);
}

export async function readForeignDataWrappers(source: Source): Promise<ForeignDataWrapper[]> {
  const rows = await source.askWhereAny(
    'FOREIGN_DATA',
    `select w.oid, w.fdwname, pg_get_userbyid(w.fdwowner), w.fdwacl::text, case when w.fdwhandler <> 0 then w.fdwhandler::regproc::text end,
      case when w.fdwvalidator <> 0 then w.fdwvalidator::regproc::text end, to_json(w.fdwoptions)
     from pg_catalog.pg_foreign_data_wrapper w`,
  );
  return rows
    .filter(([oid]) => !source.isMember('pg_foreign_data_wrapper', oid ?? ''))
    .map(([oid, name, owner = null, privileges = null, handler = null, validator = null, options = null]) => ({
      id: oid ?? '',
      name: name ?? '',
      owner,
      privileges,
      handler,
      validator,
      options: foreignOptions(options),
      comment: source.comment('pg_foreign_data_wrapper', oid ?? ''),
    }))
    .sort(byName);
}

export async function readForeignServers(source: Source): Promise<ForeignServer[]> {
  const rows = await source.askWhereAny(
    'FOREIGN_DATA',
    `select s.oid, s.srvname, pg_get_userbyid(s.srvowner), s.srvacl::text, w.fdwname, s.srvtype, s.srvversion, to_json(s.srvoptions)
     from pg_catalog.pg_foreign_server s join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw`,
  );
  return rows
    .filter(([oid]) => !source.isMember('pg_foreign_server', oid ?? ''))
    .map(([oid, name, owner = null, privileges = null, wrapper, type = null, version = null, options = null]) => ({
      id: oid ?? '',
      name: name ?? '',
      owner,
      privileges,
      wrapper: wrapper ?? '',
      type,
      version,
      options: foreignOptions(options),
      comment: source.comment('pg_foreign_server', oid ?? ''),
    }))
    .sort(byName);
}
