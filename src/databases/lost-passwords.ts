/**
 * Passwords of hosted databases whose master key the operator has given up: made anew, as Quarry sets them itself. Those of
 * connections to other servers are their users' to give.
 */
import { randomBytes } from 'node:crypto';
import type pg from 'pg';
import { transaction } from '../db/metadata.ts';
import type { Playground } from '../db/playground.ts';
import type { SealedColumn } from '../db/rotation.ts';
import { type Keyring, SealError } from '../lib/keyring.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { sealedPasswords } from './credentials.ts';

export interface LostPasswordsDeps {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly playground: Pick<Playground, 'resetRole'>;
  /** Ids of master keys. */
  readonly lost: readonly string[];
  readonly log: Log;
  /** Until what could not be made anew is tried again. */
  readonly againMs?: number;
}

/** Where a hosted password is, with the database and the role that it is for. */
const places: Readonly<Record<string, string>> = {
  databases: `SELECT s.*, s.database_name AS "database", s.username AS "role" FROM databases s WHERE s.hosted`,
  database_roles: `SELECT s.*, d.database_name AS "database", s.role_name AS "role"
    FROM database_roles s JOIN databases d ON d.id = s.database_id WHERE d.hosted`,
};

/** Begins at once, beside what is served, and goes on while something is left. */
export function startLostPasswords(deps: LostPasswordsDeps): Service {
  const { againMs = 60_000 } = deps;
  const stopping = new AbortController();
  const { signal } = stopping;
  let timer: NodeJS.Timeout | undefined;
  let working = Promise.resolve();
  function look(): void {
    working = renewLostPasswords(deps, signal)
      .then(({ left }) => left)
      .catch((error: unknown) => {
        if (!signal.aborted) deps.log.warn({ err: error }, 'hosting.password_not_renewed');
        return 1;
      })
      .then((left) => {
        if (left > 0 && !signal.aborted) timer = setTimeout(look, againMs).unref();
      });
  }
  look();
  return {
    async stop() {
      stopping.abort();
      clearTimeout(timer);
      await working;
    },
  };
}

/**
 * One round; what cannot be made anew is in the log, and holds no other up.
 * @returns how many were made anew, and how many could not be
 */
export async function renewLostPasswords(
  deps: LostPasswordsDeps,
  signal: AbortSignal,
): Promise<{ renewed: number; left: number }> {
  let [renewed, left] = [0, 0];
  for (const column of sealedPasswords) {
    const keys = Object.keys(column.key);
    const { rows } = await deps.pool.query<Record<string, string>>(
      `SELECT ${keys.map((key) => `"${key}"::text`).join(', ')} FROM (${places[column.table]}) s
        WHERE split_part(sealed_password, '.', 2) = ANY($1)`,
      [deps.lost],
    );
    for (const row of rows) {
      signal.throwIfAborted();
      const at = keys.map((key) => row[key]!);
      try {
        if (await renew(deps, column, at)) renewed += 1;
      } catch (error) {
        left += 1;
        deps.log.warn({ err: error, table: column.table, id: at[0] }, 'hosting.password_not_renewed');
      }
    }
  }
  if (renewed > 0) deps.log.warn({ renewed }, 'hosting.passwords_renewed');
  return { renewed, left };
}

/** In one transaction, so that of replicas that start together one does it. */
function renew({ pool, keyring, playground }: LostPasswordsDeps, column: SealedColumn, at: readonly string[]) {
  const { table, key, boundTo } = column;
  const where = Object.entries(key).map(([name, type], i) => `"${name}" = $${i + 1}::${type}`);
  return transaction(pool, async (client) => {
    await client.query(`SELECT FROM ${table} WHERE ${where.join(' AND ')} FOR NO KEY UPDATE`, [...at]);
    const { rows } = await client.query<Record<string, string>>(
      `SELECT sealed_password, "database", "role", ${boundTo.map((name) => `"${name}"::text`).join(', ')}
        FROM (${places[table]}) s WHERE ${where.join(' AND ')}`,
      [...at],
    );
    const [row] = rows;
    if (!row) return false;
    const context = column.context(...boundTo.map((name) => row[name]!));
    if (opens(keyring, row.sealed_password!, context)) return false;
    const password = randomBytes(24).toString('base64url');
    await playground.resetRole({ database: row.database!, role: row.role!, password });
    await client.query(`UPDATE ${table} SET sealed_password = $${at.length + 1} WHERE ${where.join(' AND ')}`, [
      ...at,
      keyring.seal(password, context),
    ]);
    return true;
  });
}

function opens(keyring: Keyring, sealed: string, context: readonly string[]): boolean {
  try {
    keyring.open(sealed, context);
    return true;
  } catch (error) {
    if (error instanceof SealError) return false;
    throw error;
  }
}
