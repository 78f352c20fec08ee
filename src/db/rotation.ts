/**
 * Wraps what is sealed again under the active key, while everything is served: a secret stays closed, and stays the same.
 * What is done is in the rows themselves, so that a rotation that was killed goes on with what is left.
 */
import { setImmediate } from 'node:timers/promises';
import type pg from 'pg';
import { type Keyring, SealError } from '../lib/keyring.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { transaction } from './metadata.ts';

/** Where there are secrets, and what each of them is sealed to. Names of tables and columns, no values of anybody. */
export interface SealedColumn {
  readonly table: string;
  readonly column: string;
  /** The primary key's columns with their types. */
  readonly key: Readonly<Record<string, 'uuid' | 'text' | 'int'>>;
  /** Columns that a secret is sealed to. */
  readonly boundTo: readonly string[];
  /** @param values of the columns of `boundTo`, as text */
  readonly context: (...values: string[]) => readonly string[];
}

/** By the id of the key that wraps them: how many secrets. */
export type SecretCounts = Readonly<Record<string, number>>;

export interface RotationDeps {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly columns: readonly SealedColumn[];
  readonly log: Log;
}

export interface Rotation extends Service {
  /** As the last look found it; empty before. */
  counts(): SecretCounts;
}

const rowsAtOnce = 500;
/** What other replicas have sealed with an older key meanwhile is found then. */
const everyMs = 600_000;
const lockName = 'quarry rotation';

/** Begins at once, and looks again now and then for what others have sealed meanwhile. */
export function startRotation(deps: RotationDeps): Rotation {
  const stopping = new AbortController();
  const { signal } = stopping;
  let counts: SecretCounts = {};
  let timer: NodeJS.Timeout | undefined;
  let working = Promise.resolve();
  function look(): void {
    working = rotate(deps, signal)
      .then(async () => {
        counts = await countSecrets(deps);
      })
      .catch((error: unknown) => {
        if (!signal.aborted) deps.log.warn({ err: error }, 'keys.rotation_failed');
      })
      .then(() => {
        if (!signal.aborted) timer = setTimeout(look, everyMs).unref();
      });
  }
  look();
  return {
    counts: () => counts,
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await working;
    },
  };
}

export interface RotationReport {
  readonly rewrapped: number;
  /** Those that do not open: their key is not in the ring, or they were changed. They stay as they are. */
  readonly unopened: number;
}

/**
 * One round. Null where it is not this process's: another one is at it, or by a ring that started later another key seals
 * here than this one's active one, so that replicas whose rings are in another order do not undo each other's work.
 */
export async function rotate(
  { pool, keyring, columns, log }: RotationDeps,
  signal: AbortSignal,
): Promise<RotationReport | null> {
  const holder = await pool.connect();
  const onError = () => undefined;
  holder.on('error', onError);
  let sound = false;
  try {
    const { rows } = await holder.query<{ mine: boolean }>(
      `SELECT (SELECT key_id = $2 FROM key_checks ORDER BY activated_at DESC NULLS LAST LIMIT 1)
          AND pg_try_advisory_lock(hashtextextended($1, 0)) AS mine`,
      [lockName, keyring.activeKeyId],
    );
    const report = rows[0]?.mine ? await work() : null;
    if (rows[0]?.mine) await holder.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [lockName]);
    sound = true;
    return report;
  } finally {
    holder.off('error', onError);
    // A connection that may still hold the lock is not used again.
    holder.release(!sound);
  }

  async function work(): Promise<RotationReport> {
    const since = performance.now();
    let [rewrapped, unopened] = [0, 0];
    for (const column of columns) {
      for await (const done of rewrapAll({ pool, keyring }, column, signal)) {
        rewrapped += done.rewrapped;
        unopened += done.unopened;
        const { activeKeyId: keyId } = keyring;
        log.info({ keyId, table: column.table, rewrapped, unopened }, 'keys.rotating');
      }
    }
    const durationMs = Math.round(performance.now() - since);
    if (rewrapped > 0) log.info({ keyId: keyring.activeKeyId, rewrapped, unopened, durationMs }, 'keys.rotated');
    if (unopened > 0) log.warn({ unopened }, 'keys.secrets_unopened');
    return { rewrapped, unopened };
  }
}

/** In the order of the primary key, a batch in a transaction. */
async function* rewrapAll(
  { pool, keyring }: Pick<RotationDeps, 'pool' | 'keyring'>,
  { table, column, key, boundTo, context }: SealedColumn,
  signal: AbortSignal,
): AsyncGenerator<RotationReport> {
  const names = Object.keys(key);
  const asText = [...new Set([...names, ...boundTo])].map((name) => `${name}::text`).join(', ');
  const given = names.map((name, i) => `$${i + 2}::${key[name]}`).join(', ');
  const batch = (from: string) =>
    `SELECT ${asText}, ${column} AS sealed FROM ${table}
      WHERE ${column} IS NOT NULL AND ${column} <> '' AND split_part(${column}, '.', 2) <> $1 ${from}
      ORDER BY ${names.join(', ')} LIMIT ${rowsAtOnce}`;
  const arrays = names.map((name, i) => `$${i + 1}::${key[name]}[]`).join(', ');
  const equal = names.map((name) => `t.${name} = n.${name}`).join(' AND ');
  // Whoever has put another secret there meanwhile keeps it.
  const update = `UPDATE ${table} t SET ${column} = n.rewrapped
    FROM unnest(${arrays}, $${names.length + 1}::text[], $${names.length + 2}::text[])
      AS n(${names.join(', ')}, sealed, rewrapped)
    WHERE ${equal} AND t.${column} = n.sealed`;

  for (let last: Record<string, string> | null = null; ; ) {
    signal.throwIfAborted();
    const { rows }: pg.QueryResult<Record<string, string>> = last
      ? await pool.query(batch(`AND (${names.join(', ')}) > (${given})`), [
          keyring.activeKeyId,
          ...names.map((name) => last?.[name]),
        ])
      : await pool.query(batch(''), [keyring.activeKeyId]);
    if (rows.length === 0) return;
    const opened = rows.flatMap((row) => {
      const sealed = row.sealed!;
      try {
        return [{ row, sealed, rewrapped: keyring.rewrap(sealed, context(...boundTo.map((name) => row[name]!))) }];
      } catch (error) {
        if (error instanceof SealError) return [];
        throw error;
      }
    });
    const { rowCount } = await transaction(pool, (client) =>
      client.query(update, [
        ...names.map((name) => opened.map(({ row }) => row[name])),
        opened.map(({ sealed }) => sealed),
        opened.map(({ rewrapped }) => rewrapped),
      ]),
    );
    yield { rewrapped: rowCount ?? 0, unopened: rows.length - opened.length };
    last = rows.at(-1) ?? null;
    // Requests come first.
    await setImmediate();
  }
}

export async function countSecrets({ pool, columns }: Pick<RotationDeps, 'pool' | 'columns'>): Promise<SecretCounts> {
  const counted = columns.map(
    ({ table, column }) => `SELECT split_part(${column}, '.', 2) AS id FROM ${table} WHERE ${column} <> ''`,
  );
  const { rows } = await pool.query<{ id: string; count: number }>(
    `SELECT id, count(*)::int AS count FROM (${counted.join(' UNION ALL ')}) secrets GROUP BY id`,
  );
  return Object.fromEntries(rows.map(({ id, count }) => [id, count]));
}
