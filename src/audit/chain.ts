/**
 * Chains the audit: each entry gets a position and a hash over itself and the hash before it; the end of the chain is
 * sealed with the master key. verify.ts reads it.
 *
 * Entries are written unchained, in the transactions that do things, and linked behind them, within a second, by whichever
 * process holds the head: to link them on the spot every change of anything would have to wait for every other. So the
 * order is that in which they were committed, and of an entry that is taken away within this second nothing is known.
 */
import { createHash } from 'node:crypto';
import type pg from 'pg';
import { nobody } from '../accounts/viewer.ts';
import { isSucceededBy } from '../db/master-keys.ts';
import { type Executor, transaction } from '../db/metadata.ts';
import type { SealedColumn } from '../db/rotation.ts';
import { type Keyring, keyIdOf } from '../lib/keyring.ts';
import type { Service } from '../lib/lifecycle.ts';
import type { Log } from '../lib/log.ts';
import { record } from './audit.ts';

/** What of an entry is in its hash, as the database prints it. */
export interface Content {
  readonly id: string;
  readonly createdAtMs: string;
  readonly actorId: string | null;
  readonly action: string;
  readonly subject: string | null;
  readonly outcome: string;
  readonly ipAddress: string | null;
  readonly userAgent: string | null;
  readonly details: string | null;
}

/** In SQL: what Content has. */
export const contentColumns = `id, (extract(epoch FROM created_at) * 1000)::bigint::text AS "createdAtMs", actor_id AS "actorId",
  action, subject, outcome, ip_address AS "ipAddress", user_agent AS "userAgent", details::text AS details`;

/** SHA-256 of the hash before it and the entry. */
export function hashOf(previous: Buffer, entry: Content): Buffer {
  const { id, createdAtMs, actorId, action, subject, outcome, ipAddress, userAgent, details } = entry;
  const content = [id, createdAtMs, actorId, action, subject, outcome, ipAddress, userAgent, details];
  return createHash('sha256').update(previous).update(JSON.stringify(content)).digest();
}

/** Before the first entry. */
export const genesis = Buffer.alloc(32);

export interface Head {
  readonly position: number;
  readonly hash: Buffer;
}

const boundTo = ['audit_heads', '1'] as const;

/** For a rotation of the keys. */
export const sealedHead: SealedColumn = {
  table: 'audit_heads',
  column: 'sealed',
  key: { id: 'int' },
  boundTo: [],
  context: () => boundTo,
};

/** @returns null where there is no seal, where it is not ours, or where it says something else than the row */
export function openHead(
  keyring: Keyring,
  { position, sealed }: { position: string; sealed: string | null },
): Head | null {
  if (sealed === null) return null;
  try {
    const [at, hash] = JSON.parse(keyring.open(sealed, boundTo)) as [number, string];
    return String(at) === position ? { position: at, hash: Buffer.from(hash, 'hex') } : null;
  } catch {
    return null; // What is wrong with it does not matter: it proves nothing.
  }
}

const sealHead = (keyring: Keyring, { position, hash }: Head): string =>
  keyring.seal(JSON.stringify([position, hash.toString('hex')]), boundTo);

/**
 * Seals the beginning of the chain, in an installation where nobody and nothing has been yet. Later there is no beginning
 * without a seal: whoever empties the tables below Quarry does not get one from it.
 */
export async function sealBeginning(executor: Executor, keyring: Keyring): Promise<void> {
  await executor.query(
    `UPDATE audit_heads SET sealed = $1 WHERE position = 0 AND sealed IS NULL
        AND NOT EXISTS (SELECT FROM users) AND NOT EXISTS (SELECT FROM audit_entries)`,
    [sealHead(keyring, { position: 0, hash: genesis })],
  );
}

export interface ChainDeps {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  readonly log: Log;
}

/** Entries in one transaction. */
const linkedAtOnce = 1_000;

/** Links what is committed and not linked yet. @returns how many; 0 also while another process does it */
export async function chain(deps: ChainDeps): Promise<number> {
  for (let total = 0; ; ) {
    const linked = await transaction(deps.pool, (client) => link(client, deps));
    total += linked;
    if (linked < linkedAtOnce) return total;
  }
}

async function link(client: Executor, { keyring, log }: ChainDeps): Promise<number> {
  const row = await takeHead(client);
  if (!row) return 0;
  const proven = openHead(keyring, row);
  // The chain is for those to go on with who have the key; a ring of before says nothing about what a newer one sealed.
  if (!proven && row.sealed !== null && (await isSucceededBy(client, keyring, keyIdOf(row.sealed)))) {
    log.warn({ keyId: keyIdOf(row.sealed) }, 'audit.sealed_by_newer_key');
    return 0;
  }
  const head = proven ?? (await beginAnew(client, log));
  const { rows } = await client.query<Content>(
    `SELECT ${contentColumns} FROM audit_entries WHERE position IS NULL ORDER BY id LIMIT ${linkedAtOnce}`,
  );
  if (rows.length === 0) return 0;
  const links: { position: number; previous: Buffer; hash: Buffer }[] = [];
  let { position, hash } = head;
  for (const entry of rows) {
    const previous = hash;
    position += 1;
    hash = hashOf(previous, entry);
    links.push({ position, previous, hash });
  }
  await client.query(
    `UPDATE audit_entries SET position = link.position, previous = link.previous, hash = link.hash
     FROM unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::bytea[]) AS link (id, position, previous, hash)
     WHERE audit_entries.id = link.id`,
    [
      rows.map(({ id }) => id),
      links.map((each) => each.position),
      links.map((each) => each.previous),
      links.map((each) => each.hash),
    ],
  );
  await client.query('UPDATE audit_heads SET position = $1, sealed = $2', [
    position,
    sealHead(keyring, { position, hash }),
  ]);
  return rows.length;
}

interface HeadRow {
  readonly position: string;
  readonly sealed: string | null;
}

/** Null while another process has it. One that is gone is made again, without a seal. */
async function takeHead(client: Executor): Promise<HeadRow | null> {
  const { rows } = await client.query<HeadRow>('SELECT position, sealed FROM audit_heads FOR UPDATE SKIP LOCKED');
  if (rows[0]) return rows[0];
  const made = await client.query<HeadRow>(
    `INSERT INTO audit_heads (id) SELECT 1 WHERE NOT EXISTS (SELECT FROM audit_heads) ON CONFLICT DO NOTHING
     RETURNING position, sealed`,
  );
  return made.rows[0] ?? null;
}

/**
 * The seal is not ours or gone: somebody moved the head, or the key that sealed it is gone. The chain goes on from its last entry,
 * with an entry that says so for ever, and which nobody can take out again.
 */
async function beginAnew(client: Executor, log: Log): Promise<Head> {
  const { rows } = await client.query<{ position: string; hash: Buffer }>(
    'SELECT position, hash FROM audit_entries WHERE position IS NOT NULL ORDER BY position DESC LIMIT 1',
  );
  const [last] = rows;
  const head = last ? { position: Number(last.position), hash: last.hash } : { position: 0, hash: genesis };
  await tellBroken(client, log, { position: head.position });
  return head;
}

/** For ever: verify.ts finds the entry. */
async function tellBroken(client: Executor, log: Log, details: Readonly<Record<string, number>>): Promise<void> {
  log.error(details, 'audit.chain_broken');
  await record(client, {
    actorId: null,
    action: 'audit.chain_broken',
    subject: null,
    outcome: 'failure',
    caller: nobody,
    details,
  });
}

/**
 * Remembers where the chain ended, outside of the database: an older end that is put back has its good seal.
 * @returns a function that looks again, and whether there is something to chain
 */
export function createLookout({ pool, log }: Pick<ChainDeps, 'pool' | 'log'>): () => Promise<boolean> {
  let seen = 0;
  return async () => {
    const { rows } = await pool.query<{ position: string; waiting: boolean }>(
      `SELECT coalesce((SELECT position FROM audit_heads), 0) AS position,
              EXISTS (SELECT FROM audit_entries WHERE position IS NULL) AS waiting`,
    );
    const position = Number(rows[0]!.position);
    const fell = position < seen;
    if (fell) await tellBroken(pool, log, { position, seen });
    seen = position;
    return fell || rows[0]!.waiting;
  };
}

const intervalMs = 1_000;

/** Chains every second, in every process that runs it; one at a time does the work. */
export function startChaining(deps: ChainDeps): Service {
  const look = createLookout(deps);
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  let stopped = false;

  async function run(): Promise<void> {
    try {
      if (await look()) await chain(deps);
    } catch (error) {
      // Nothing is lost: they are chained later.
      if (!stopped) deps.log.warn({ error: String(error) }, 'audit.not_chained');
    }
    if (!stopped) schedule();
  }

  function schedule(): void {
    timer = setTimeout(() => {
      running = run();
    }, intervalMs).unref();
  }

  schedule();
  return {
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
