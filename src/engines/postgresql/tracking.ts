/**
 * Event triggers that tell of DDL by NOTIFY. They only say that there was some; what it was is read from the catalogue.
 * The owner's DDL never fails by them: what the function runs into stays in it, and where a notification itself could
 * fail a transaction (one that is to be prepared) nothing is installed and nothing is sent.
 */
import pg from 'pg';
import { AppError } from '../../lib/errors.ts';
import { untilAborted } from '../../lib/until-aborted.ts';
import type { SchemaTracking, Target, TrackingOptions } from '../engine.ts';
import { trackingSchema } from './catalog/sql.ts';
import { type ConnectDeps, type Connection, connect } from './connect.ts';
import { canTellAll } from './feed/followable.ts';
import { namesOf as feedNamesOf } from './feed/names.ts';

/** Several Quarrys may track one database. */
const lockNumber = 7_270_736_903;
const statementTimeoutMs = 15_000;
const checkTimeoutMs = 10_000;

interface Names {
  readonly channel: string;
  /** Of the feed of changed rows of the same database, which may or may not be there. */
  readonly publication: string;
  readonly insertPublication: string;
  readonly function: string;
  /** What they fire on, and their names. */
  readonly triggers: readonly (readonly [event: string, name: string])[];
}

function namesOf(trackingId: string): Names {
  const id = trackingId.replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/.test(id)) throw new Error('A tracking is named by a UUID');
  const { ddlChannel: channel, publication, insertPublication } = feedNamesOf(trackingId);
  return {
    channel,
    publication,
    insertPublication,
    function: `${trackingSchema}.tell_${id}`,
    triggers: [
      ['ddl_command_end', `${channel}_ddl`],
      ['sql_drop', `${channel}_drop`],
    ],
  };
}

const functionOf = (names: Names): string => `
  CREATE OR REPLACE FUNCTION ${names.function}() RETURNS event_trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog AS $tell$
  DECLARE
    unidentified text;
  BEGIN
    -- Where a feed of changed rows publishes a table that has just lost its key, the owner's next UPDATE would fail.
    FOR unidentified IN
      SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
        FROM pg_publication p JOIN pg_publication_rel r ON r.prpubid = p.oid
        JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE p.pubname = '${names.publication}' AND NOT ${canTellAll('c')}
    LOOP
      EXECUTE 'ALTER PUBLICATION ${names.publication} DROP TABLE ONLY ' || unidentified;
      EXECUTE 'ALTER PUBLICATION ${names.insertPublication} ADD TABLE ONLY ' || unidentified;
    END LOOP;
    -- A transaction that has notified cannot be prepared.
    IF current_setting('max_prepared_transactions')::int = 0 THEN
      NOTIFY ${names.channel};
    END IF;
  EXCEPTION WHEN OTHERS THEN
    NULL; -- Whoever runs DDL here owes Quarry nothing.
  END
  $tell$`;

const installation = (names: Names): string[] => [
  `CREATE SCHEMA IF NOT EXISTS ${trackingSchema}`,
  functionOf(names),
  `COMMENT ON FUNCTION ${names.function}() IS 'Tells Quarry that there was DDL: see enableChangeTracking'`,
  ...names.triggers.flatMap(([event, name]) => [
    `DROP EVENT TRIGGER IF EXISTS ${name}`,
    `CREATE EVENT TRIGGER ${name} ON ${event} EXECUTE FUNCTION ${names.function}()`,
  ]),
];

export function createTracking(deps: ConnectDeps): SchemaTracking {
  return {
    async install(target, options) {
      const names = namesOf(options.trackingId);
      await within(deps, target, options, async ({ client }) => {
        const { rows } = await client.query<{ standby: boolean; prepared: boolean }>(
          `SELECT pg_catalog.pg_is_in_recovery() AS standby,
                  pg_catalog.current_setting('max_prepared_transactions')::int > 0 AS prepared`,
        );
        if (rows[0]!.standby) throw unsupported('The server is a read-only standby: track DDL on its primary');
        if (rows[0]!.prepared)
          throw unsupported('The server allows prepared transactions, which a notification of DDL would make fail');
        for (const statement of installation(names)) await client.query(statement);
      });
    },

    async remove(target, options) {
      const names = namesOf(options.trackingId);
      await within(deps, target, options, async ({ client }) => {
        // Before the function, so that its going is not told.
        for (const [, name] of names.triggers) await client.query(`DROP EVENT TRIGGER IF EXISTS ${name}`);
        await client.query(`DROP FUNCTION IF EXISTS ${names.function}()`);
        await client.query('SAVEPOINT emptied');
        try {
          await client.query(`DROP SCHEMA IF EXISTS ${trackingSchema} RESTRICT`);
        } catch (error) {
          // Another Quarry tracks this database, too.
          if (!(error instanceof pg.DatabaseError) || error.code !== '2BP01') throw error;
          await client.query('ROLLBACK TO SAVEPOINT emptied');
        }
      });
    },

    async listen(target, { trackingId, told, ...options }) {
      const names = namesOf(trackingId);
      const connection = await connect(deps, target, options);
      const { client, closed } = connection;
      try {
        client.on('notification', told);
        await client.query(`LISTEN ${names.channel}`);
      } catch (error) {
        await connection[Symbol.asyncDispose]();
        throw failureOf(error);
      }
      return {
        closed,
        async check() {
          const deadline = AbortSignal.any([options.signal, closed, AbortSignal.timeout(checkTimeoutMs)]);
          const query = client.query<{ there: boolean }>(
            `SELECT count(*) = $2 AS there FROM pg_catalog.pg_event_trigger
              WHERE evtname::text = ANY($1) AND evtenabled IN ('O', 'A')`,
            [names.triggers.map(([, name]) => name), names.triggers.length],
          );
          query.catch(() => undefined); // Who has given up waiting does not want to know.
          try {
            return (await untilAborted(query, deadline)).rows[0]?.there ?? false;
          } catch (error) {
            connection.destroy(new Error('The target does not answer', { cause: error }));
            throw error;
          }
        },
        [Symbol.asyncDispose]: () => connection[Symbol.asyncDispose](),
      };
    },
  };
}

/** One transaction of its own. @throws AppError */
async function within(
  deps: ConnectDeps,
  target: Target,
  options: TrackingOptions,
  work: (connection: Connection) => Promise<void>,
): Promise<void> {
  await using connection = await connect(deps, target, options);
  const { client } = connection;
  const onAbort = () => connection.destroy(new Error('aborted'));
  options.signal.addEventListener('abort', onAbort, { once: true });
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL statement_timeout = ${statementTimeoutMs}; SET LOCAL search_path = pg_catalog`);
    await client.query('SELECT pg_catalog.pg_advisory_xact_lock($1)', [lockNumber]);
    await work(connection);
    await client.query('COMMIT');
  } catch (error) {
    options.signal.throwIfAborted();
    throw failureOf(error);
  } finally {
    options.signal.removeEventListener('abort', onAbort);
  }
}

/** Not allowed to, and read-only. */
const refusals: Readonly<Record<string, string>> = {
  '42501': 'Event triggers need a superuser here, which the credentials are not',
  '25006': 'The credentials may only read here',
};

function failureOf(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError)) return error;
  const refusal = refusals[error.code ?? ''];
  if (refusal) return unsupported(refusal, error);
  return new AppError('SQL_ERROR', error.message, { cause: error, details: { sqlState: error.code } });
}

const unsupported = (message: string, cause?: unknown): AppError =>
  new AppError('UNSUPPORTED', message, { cause, details: { engine: 'POSTGRESQL', capability: 'CHANGE_TRACKING' } });
