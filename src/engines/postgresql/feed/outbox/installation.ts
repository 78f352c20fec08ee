/**
 * What writes the outbox of a feed in its target: a function that triggers call with each changed row, and another that
 * numbers transactions as they commit. Numbers are drawn at the commit: whoever writes over what another has written
 * has the greater one. A transaction waits for nobody here, and no two write to the same row.
 */
import { trackingSchema } from '../../catalog/sql.ts';
import { namesOf } from '../names.ts';

export interface OutboxNames {
  readonly schema: string;
  /** Changed rows, and before them the shape of their table. */
  readonly rows: string;
  /** Transactions that have rows; `place` is given by the reader. */
  readonly commits: string;
  /** One row while a feed has a place; an unlogged table loses it with the outbox in a crash, which is how that is seen. */
  readonly state: string;
  readonly order: string;
  /** Called once the outbox was full: what was committed since is not in it. */
  readonly full: string;
  readonly capture: string;
  readonly number: string;
  /** Of the triggers; each name goes on. */
  readonly trigger: string;
  readonly channel: string;
}

export function outboxNamesOf(feedId: string): OutboxNames {
  const { outbox } = namesOf(feedId);
  const of = (what: string) => `${trackingSchema}.${what}_${outbox}`;
  return {
    schema: trackingSchema,
    rows: of('rows'),
    commits: of('commits'),
    state: of('state'),
    order: of('order'),
    full: of('full'),
    capture: of('capture'),
    number: of('number'),
    trigger: `quarry_${outbox}`,
    channel: `${trackingSchema}_rows_${outbox}`,
  };
}

/** An outbox that nobody empties grows to this, and is then given up. */
export const maxOutboxBytes = 2 ** 30;

/** Run in one transaction, one after the other; again is no change. */
export const installation = (names: OutboxNames): string[] => [
  `CREATE SCHEMA IF NOT EXISTS ${names.schema}`,
  `CREATE UNLOGGED TABLE IF NOT EXISTS ${names.rows} (
     id bigint GENERATED ALWAYS AS IDENTITY, xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
     relation oid NOT NULL, op "char" NOT NULL, old text, new text, PRIMARY KEY (xid, id))`,
  `CREATE UNLOGGED TABLE IF NOT EXISTS ${names.commits} (
     xid xid8 PRIMARY KEY, number bigint, at timestamptz, place bigint)`,
  `CREATE UNLOGGED TABLE IF NOT EXISTS ${names.state} (place bigint NOT NULL, forgotten bigint NOT NULL)`,
  `CREATE SEQUENCE IF NOT EXISTS ${names.order}`,
  `CREATE SEQUENCE IF NOT EXISTS ${names.full}`,
  captureFunction(names),
  numberFunction(names),
  `REVOKE ALL ON FUNCTION ${names.capture}(), ${names.number}() FROM PUBLIC`,
  `DROP TRIGGER IF EXISTS number ON ${names.commits}`,
  `CREATE CONSTRAINT TRIGGER number AFTER INSERT ON ${names.commits} DEFERRABLE INITIALLY DEFERRED
     FOR EACH ROW EXECUTE FUNCTION ${names.number}()`,
  `ALTER TABLE ${names.commits} ENABLE ALWAYS TRIGGER number`,
  `COMMENT ON TABLE ${names.rows} IS 'Changed rows that Quarry has not told yet: see enableChangeTracking'`,
];

export const removal = (names: OutboxNames): string[] => [
  // With the triggers that call it.
  `DROP FUNCTION IF EXISTS ${names.capture}() CASCADE`,
  `DROP TABLE IF EXISTS ${names.rows}, ${names.commits}, ${names.state}`,
  `DROP FUNCTION IF EXISTS ${names.number}()`,
  `DROP SEQUENCE IF EXISTS ${names.order}, ${names.full}`,
];

/**
 * Whoever writes to a followed table may do so in a session of any settings, and has no rights here. His temporary tables
 * are looked at last: one that is called as a part of the catalogue would be run with our rights.
 */
const settings = `SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET intervalstyle = 'iso_8601'
   SET bytea_output = 'hex' SET extra_float_digits = 1 SET timezone = 'UTC'`;

/**
 * The first call of a transaction for a table tells its shape, since it may be another one when this is read. Rows are
 * printed as one value, which each type does as it does for a result; by `format`, as the owner of a table can make a cast
 * of its rows to text, which would be run with our rights.
 */
const captureFunction = (names: OutboxNames): string => `
  CREATE OR REPLACE FUNCTION ${names.capture}() RETURNS trigger LANGUAGE plpgsql ${settings} AS $capture$
  DECLARE
    mark CONSTANT text := '${names.schema}.t' || TG_RELID;
    seen text := current_setting(mark, true);
    mine CONSTANT text := pg_current_xact_id()::text;
  BEGIN
    IF TG_LEVEL = 'STATEMENT' OR seen IS NULL OR (seen <> mine AND seen <> 'full ' || mine) THEN
      IF pg_relation_size('${names.rows}') > ${maxOutboxBytes} THEN
        PERFORM nextval('${names.full}');
      END IF;
      IF (SELECT is_called FROM ${names.full}) THEN
        seen := 'full ' || mine;
      ELSE
        seen := mine;
        INSERT INTO ${names.commits} (xid) VALUES (pg_current_xact_id()) ON CONFLICT DO NOTHING;
        INSERT INTO ${names.rows} (relation, op, new)
        SELECT TG_RELID, 's', json_build_object(
                 'id', c.oid::text, 'schema', n.nspname, 'name', c.relname, 'columns', (
                   SELECT json_agg(json_build_array(a.attname, a.atttypid::text, a.atttypmod, a.attgenerated = 'v')
                                   ORDER BY a.attnum)
                     FROM pg_attribute a WHERE a.attrelid = TG_RELID AND a.attnum > 0 AND NOT a.attisdropped))
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.oid = coalesce(pg_partition_root(TG_RELID), TG_RELID);
        -- A transaction that has notified cannot be prepared.
        IF current_setting('max_prepared_transactions')::int = 0 THEN
          NOTIFY ${names.channel};
        END IF;
      END IF;
      PERFORM set_config(mark, seen, true);
    END IF;
    IF seen <> mine THEN
      RETURN NULL;
    END IF;
    CASE TG_OP
      WHEN 'INSERT' THEN
        IF TG_LEVEL = 'STATEMENT' THEN
          INSERT INTO ${names.rows} (relation, op, new) SELECT TG_RELID, 'i', format('%s', added) FROM added;
        ELSE
          INSERT INTO ${names.rows} (relation, op, new) VALUES (TG_RELID, 'i', format('%s', NEW));
        END IF;
      WHEN 'UPDATE' THEN
        INSERT INTO ${names.rows} (relation, op, old, new) VALUES (TG_RELID, 'u', format('%s', OLD), format('%s', NEW));
      WHEN 'DELETE' THEN
        INSERT INTO ${names.rows} (relation, op, old) VALUES (TG_RELID, 'd', format('%s', OLD));
      ELSE
        INSERT INTO ${names.rows} (relation, op) VALUES (TG_RELID, 't');
    END CASE;
    RETURN NULL;
  END
  $capture$`;

const numberFunction = (names: OutboxNames): string => `
  CREATE OR REPLACE FUNCTION ${names.number}() RETURNS trigger LANGUAGE plpgsql ${settings} AS $number$
  BEGIN
    UPDATE ${names.commits} SET number = nextval('${names.order}'), at = clock_timestamp() WHERE xid = NEW.xid;
    RETURN NULL;
  END
  $number$`;

/**
 * The triggers of a table. INSERT at once for a statement, where it cannot reach another table: a partition, or a child
 * that inherits, is reached by row. UPDATE by row, as nothing else tells which old row became which new one.
 */
export const triggersOf = (names: OutboxNames, table: string, kind: 'PLAIN' | 'PARTITIONED'): string[] => {
  const call = `EXECUTE FUNCTION ${names.capture}()`;
  const inserted = kind === 'PLAIN' ? 'REFERENCING NEW TABLE AS added FOR EACH STATEMENT' : 'FOR EACH ROW';
  const definitions: Readonly<Record<string, string>> = {
    insert: `AFTER INSERT ON ${table} ${inserted} ${call}`,
    update: `AFTER UPDATE ON ${table} FOR EACH ROW ${call}`,
    delete: `AFTER DELETE ON ${table} FOR EACH ROW ${call}`,
    truncate: `AFTER TRUNCATE ON ${table} FOR EACH STATEMENT ${call}`,
  };
  return Object.entries(definitions).flatMap(([event, definition]) => [
    `CREATE TRIGGER ${names.trigger}_${event} ${definition}`,
    // Also for rows that come from another server.
    `ALTER TABLE ONLY ${table} ENABLE ALWAYS TRIGGER ${names.trigger}_${event}`,
  ]);
};

export const triggerEvents = ['insert', 'update', 'delete', 'truncate'] as const;
