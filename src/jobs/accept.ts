/**
 * How submissions become rows, in SQL. What nobody waits before starts in the statement that accepts it, under the lock of
 * the claims and within the same limits: where the process runs jobs itself, or where another does that has a place free
 * and hears of it at once.
 */
import { isHeard, post } from '../db/mailbox.ts';
import type { Prepared, Value } from '../db/round.ts';
import { claimedColumns, countOf, counts, keyIsLive, lockOfKey, mayClaim, ready } from './claim.ts';
import { type Job, type NewJob, priorityLevelMs } from './job.ts';
import { changePosition, type JobRow, jobOf, leaseFromNow } from './row.ts';

export type Submission = NewJob & { readonly id: string };

/** What the database adds to a row. */
export type AcceptedRow = Pick<
  JobRow,
  'id' | 'status' | 'held_until' | 'submitted_at' | 'started_at' | 'attempt' | 'fence' | 'change_xid' | 'change_seq'
>;

/** What a submission says of itself. Arrays, a column each, cost the server half of what JSON does. */
const types = {
  id: 'uuid',
  kind: 'text',
  owner_id: 'uuid',
  database_id: 'uuid',
  target_key: 'uuid',
  target_label: 'text',
  sealed_connection: 'text',
  name: 'text',
  sql: 'text',
  parameters: 'jsonb',
  text_bytes: 'int',
  read_only: 'boolean',
  transaction: 'text',
  timeout_ms: 'int',
  max_rows: 'int',
  idempotency_key: 'text',
  key_id: 'uuid',
  priority: 'int',
  /** Any instant of JavaScript's: as text the server would not read the year 0. */
  run_at_ms: 'float8',
  max_attempts: 'int',
  source_id: 'uuid',
  saved_query_id: 'uuid',
  export: 'jsonb',
} as const;
type Column = keyof typeof types;
const names = Object.keys(types) as Column[];
const columns = names.join(', ').replace('run_at_ms', 'run_at');

/** In SQL: the submissions, from the parameters behind the first so many; a list for each column. */
const givenBehind = (parameters: number): string =>
  `unnest(${names.map((name, i) => `$${parameters + i + 1}::${types[name]}[]`).join(', ')}) AS given (${names.join(', ')})
   CROSS JOIN LATERAL to_timestamp(run_at_ms / 1000) AS run_at`;

/** In SQL: the same for a single one. Its values are no lists, so that nothing is unpacked, ordered or numbered. */
const oneBehind = (parameters: number): string =>
  `(SELECT ${names.map((name, i) => `$${parameters + i + 1}::${types[name]} AS ${name}`).join(', ')}) AS given
   CROSS JOIN (SELECT to_timestamp($${parameters + names.indexOf('run_at_ms') + 1}::float8 / 1000) AS run_at) AS later`;

/**
 * The first step of a round with submissions by API keys: whoever ends one of them (cancelAllOfKeys) waits for the round, and
 * then finds its jobs; or the round waits for him, and accepts none. Before the rows of jobs and the lock of the claims, and
 * behind the owners, as he has it: neither waits crosswise. An advisory lock, since who ends a key that many rounds share
 * takes his turn in its queue; the lock of a row has none. $1 the owners, $2 a key of each.
 */
export const lockKeys: Prepared = {
  name: 'lock_keys',
  text: `
    SELECT pg_advisory_xact_lock_shared(${lockOfKey('given.key_id')})
    FROM (SELECT key_id FROM unnest($1::uuid[], $2::uuid[]) AS given (owner_id, key_id)
          JOIN users ON users.id = given.owner_id ORDER BY key_id FOR KEY SHARE OF users) given`,
};

const rank = `extract(epoch FROM greatest(run_at, now())) * 1000 - priority * ${priorityLevelMs}`;
const computed = `${rank},
  CASE WHEN run_at > now() THEN run_at END, ${changePosition}`;

const onceForAKey = 'ON CONFLICT (owner_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING';
const accepted = 'id, status, held_until, submitted_at, started_at, attempt, fence, change_xid, change_seq';

/** $1 and $2 the notification that tells the workers, then the rows. */
export const acceptJobs: Prepared = {
  name: 'accept_jobs',
  text: `
    WITH inserted AS (
      INSERT INTO jobs (${columns}, rank_ms, held_until, change_xid, change_seq, status)
      SELECT ${columns}, ${computed}, 'queued' FROM ${givenBehind(2)} WHERE ${keyIsLive} ${onceForAKey} RETURNING ${accepted}
    )
    SELECT inserted.*, (SELECT pg_notify($1, $2)) FROM inserted`,
};

/** In SQL, of a submission and the row of its owner: it may start as far as its own time and its owner's limit are concerned. */
const withinOwners = (running: string): string => `
  users.id IS NOT NULL AND coalesce(run_at <= now(), true)
  AND ${running} < least(users.max_parallel_jobs, coalesce(users.max_parallel_jobs_limit, $3::int))`;

const nobodyWaits = `${mayClaim} AND NOT EXISTS (SELECT FROM jobs WHERE ${ready})`;

/**
 * In SQL: the query `placed`, each of many submissions with the `place` that it starts in, null for none, out of a list. As
 * in a claim (claim.ts), those of an owner go by rank and owners by `turn`, since what does not start here waits its turn.
 */
const placedOfMany = (places: string): string => `
    busy AS MATERIALIZED (
      SELECT owner_id, target_key, worker_id, 1 AS jobs FROM jobs WHERE status = 'running'
    ), ${counts}, nobody_waits AS MATERIALIZED (
      SELECT ${nobodyWaits} AS so
    ), ${places}, new AS (
      SELECT given.*, run_at, coalesce(run_at > now(), false) AS later, ${rank} AS rank
      FROM ${givenBehind(4)} WHERE ${keyIsLive}
    ), in_turn AS (
      SELECT new.*, ${countOf('owner', 'owner_id')}
               + row_number() OVER (PARTITION BY owner_id, later ORDER BY rank, new.id) AS turn
      FROM new
    ), of_owner AS (
      -- An owner who is gone is the foreign key's to refuse.
      SELECT in_turn.*, coalesce(${withinOwners('turn - 1')}, false) AS by_owner
      FROM in_turn LEFT JOIN users ON users.id = owner_id
    ), of_target AS (
      SELECT of_owner.*, by_owner AND ${countOf('target', 'target_key')}
               + row_number() OVER (PARTITION BY target_key, by_owner ORDER BY turn, rank, id) <= $4::int AS may_start
      FROM of_owner
    ), placed AS MATERIALIZED (
      SELECT of_target.*, CASE WHEN may_start AND (SELECT so FROM nobody_waits)
               THEN (SELECT ids FROM places)[row_number() OVER (PARTITION BY may_start ORDER BY turn, rank, id)] END AS place
      FROM of_target
    )`;

/** In SQL: the same for a single one, and the place that it would have. */
const placedAlone = (place: string): string => `
    placed AS MATERIALIZED (
      SELECT given.*, run_at, CASE WHEN ${nobodyWaits} AND ${withinOwners(
        `(SELECT count(*) FROM jobs WHERE status = 'running' AND owner_id = given.owner_id)`,
      )} AND (SELECT count(*) FROM jobs WHERE status = 'running' AND target_key = given.target_key) < $4::int
        THEN ${place} END AS place
      FROM ${oneBehind(4)} LEFT JOIN users ON users.id = given.owner_id WHERE ${keyIsLive}
    )`;

const insertPlaced = `
    INSERT INTO jobs (${columns}, rank_ms, held_until, change_xid, change_seq,
                      status, started_at, attempt, fence, worker_id, lease_until)
    SELECT ${columns}, ${computed}, CASE WHEN starts THEN 'running' ELSE 'queued' END, CASE WHEN starts THEN clock_timestamp() END,
           starts::int, starts::int, place, CASE WHEN starts THEN ${leaseFromNow} END
    FROM placed CROSS JOIN LATERAL (SELECT place IS NOT NULL AS starts) _ ${onceForAKey}`;

/**
 * $1 worker, $2 its jobs at once, $3 parallel jobs of a user without a ceiling of his own, $4 of a database, then the rows.
 */
export const acceptAndStart: Prepared = {
  name: 'accept_and_start',
  text: `
    WITH ${placedOfMany(`places AS MATERIALIZED (
      SELECT array_fill($1::uuid, ARRAY[greatest(0, $2::int - (SELECT count(*) FROM busy WHERE worker_id = $1::uuid))::int]) AS ids
    )`)} ${insertPlaced} RETURNING ${accepted}`,
};

export const acceptOneAndStart: Prepared = {
  name: 'accept_one_and_start',
  text: `
    WITH ${placedAlone(
      `CASE WHEN (SELECT count(*) FROM jobs WHERE status = 'running' AND worker_id = $1::uuid) < $2::int THEN $1::uuid END`,
    )} ${insertPlaced} RETURNING ${accepted}`,
};

/** In SQL: the query `free`, the workers that hear and have places, by the list of what runs. */
const freeOf = (busy: string): string => `free AS MATERIALIZED (
      SELECT id, concurrency - (SELECT count(*) FROM ${busy} AND worker_id = workers.id)::int AS places
      FROM workers WHERE seen_until > now() AND ${mayClaim} AND ${isHeard('mailbox')}
    )`;

/** Of a notification: it must stay under 8,000 bytes. */
const maxMessageBytes = 7_900;

/** In SQL: inserts what is placed, and tells each worker of its jobs, whole where it is not too long; all of them of the others. */
const insertAndTell = `, inserted AS (
      ${insertPlaced} RETURNING ${claimedColumns}, sql, parameters, sealed_connection, worker_id
    )
    SELECT ${accepted}, CASE WHEN worker_id IS NULL THEN (SELECT pg_notify($1, $2)) ELSE (
             SELECT ${post('workers.mailbox', `CASE WHEN octet_length(whole) <= ${maxMessageBytes} THEN whole ELSE short END`)}
             FROM workers CROSS JOIN LATERAL (
               SELECT row_to_json(inserted)::text AS whole, json_build_object('id', inserted.id, 'fence', inserted.fence)::text AS short) message
             WHERE workers.id = inserted.worker_id) END AS told
    FROM inserted`;

/**
 * $1 and $2 the notification that tells the workers of what is queued, $3 parallel jobs of a user without a ceiling of his
 * own, $4 of a database, then the rows. Places are given out where most are free.
 */
export const acceptAndGive: Prepared = {
  name: 'accept_and_give',
  text: `
    WITH ${placedOfMany(`${freeOf('busy WHERE true')}, places AS MATERIALIZED (
      SELECT array_agg(id ORDER BY place DESC, id) AS ids FROM free CROSS JOIN LATERAL generate_series(1, places) AS place
    )`)} ${insertAndTell}`,
};

export const acceptOneAndGive: Prepared = {
  name: 'accept_one_and_give',
  text: `
    WITH ${freeOf(`jobs WHERE status = 'running'`)}, ${placedAlone(
      '(SELECT id FROM free WHERE places > 0 ORDER BY places DESC, id LIMIT 1)',
    )} ${insertAndTell}`,
};

/** Of the SQL and its parameters. */
export const textBytesOf = ({ sql, parameters }: Pick<Job, 'sql' | 'parameters'>): number =>
  Buffer.byteLength(sql) + (parameters === null ? 0 : Buffer.byteLength(JSON.stringify(parameters)));

/** As the statements for many read them: a list of values for each column. */
export function givenValues(submissions: readonly Submission[]): Value[][] {
  const rows = submissions.map(givenRow);
  return names.map((name) => rows.map((row) => row[name]));
}

/** As the statements for one read it. */
export function oneGiven(submission: Submission): Value[] {
  const row = givenRow(submission);
  return names.map((name) => row[name]);
}

function givenRow(job: Submission): Record<Column, Value> {
  const { parameters, run_at, export: exports, ...row } = rowOf(job);
  return {
    ...row,
    parameters: parameters && JSON.stringify(parameters),
    export: exports && JSON.stringify(exports),
    run_at_ms: run_at?.getTime() ?? null,
    text_bytes: textBytesOf(job),
    idempotency_key: job.idempotencyKey,
    key_id: job.caller?.keyId ?? null,
  };
}

export const acceptedJob = (submission: Submission, row: AcceptedRow): Job =>
  jobOf({ ...untouched, ...rowOf(submission), ...row });

const rowOf = (job: Submission) => ({
  id: job.id,
  kind: job.kind,
  owner_id: job.ownerId,
  database_id: job.databaseId,
  target_key: job.targetKey,
  target_label: job.targetLabel,
  sealed_connection: job.sealedConnection ?? null,
  name: job.name,
  sql: job.sql,
  parameters: job.parameters === null ? null : [...job.parameters],
  read_only: job.readOnly,
  transaction: job.transaction,
  timeout_ms: job.timeoutMs,
  max_rows: job.maxRows,
  priority: job.priority ?? 0,
  run_at: job.runAt ?? null,
  max_attempts: job.maxAttempts ?? 1,
  source_id: job.sourceId ?? null,
  saved_query_id: job.savedQueryId ?? null,
  export: job.export ?? null,
});

const untouched = {
  finished_at: null,
  cancel_requested_at: null,
  error: null,
  progress_rows: '0',
  progress_bytes: '0',
  estimated_rows: null,
  percent: null,
  revision: 1,
  backend_id: null,
  backend_started_at: null,
  results_expire_at: null,
  results_dropped: false,
  exported: null,
} as const;
