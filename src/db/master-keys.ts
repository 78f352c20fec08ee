/** Where the master keys come from, and the proof that they are the ones that this metadata was sealed with. */
import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { createKeyring, type Keyring, type MasterKey } from '../lib/keyring.ts';
import type { Log } from '../lib/log.ts';
import { Secret } from '../lib/secret.ts';
import { type ConnectionConfig, connect } from './connection.ts';
import { type Executor, transaction } from './metadata.ts';
import { StartError } from './start-error.ts';

const keyBytes = 32;

export interface LocalKeyOptions {
  readonly dataDir: string;
  readonly metadata: ConnectionConfig;
  /** Ids of keys that are lost for good. */
  readonly lost: readonly string[];
}

/**
 * The key of an installation that was given none: made at the first start, readable by its owner alone.
 * @throws StartError before anything is written when it is not there any more
 */
export async function localMasterKeys({ dataDir, metadata, lost }: LocalKeyOptions): Promise<[MasterKey]> {
  const path = join(dataDir, 'master-key');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new StartError(`${path} cannot be read`, { cause: error });
  });
  if (text !== null) return [parse(text, path)];
  await using connected = await connect(metadata);
  const sealedBy = ((await readChecks(connected.client)) ?? []).filter(({ id }) => !lost.includes(id));
  if (sealedBy.length > 0) {
    const ids = sealedBy.map(({ id }) => id).join(', ');
    throw new StartError(
      `${path} is missing, and this metadata is sealed (${ids}): put it back from a backup, or set MASTER_KEYS`,
    );
  }
  return makeLocalKey(path, dataDir);
}

async function makeLocalKey(path: string, dataDir: string): Promise<[MasterKey]> {
  await mkdir(dataDir, { recursive: true });
  const partial = `${path}.${randomUUID()}`;
  // Whole or not at all: a half key would lock everything that is sealed later. Whoever links first has made it.
  await writeFile(partial, `k1:${randomBytes(keyBytes).toString('base64')}`, { mode: 0o600, flush: true });
  await link(partial, path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await unlink(partial);
  return [parse(await readFile(path, 'utf8'), path)];
}

function parse(text: string, path: string): MasterKey {
  const [id = '', encoded = ''] = text.trim().split(':');
  const key = Buffer.from(encoded, 'base64');
  if (!id || key.length !== keyBytes)
    throw new StartError(`${path} is damaged; restore it from a backup, or what it sealed is lost`);
  return { id, key: new Secret(key) };
}

interface KeyCheck {
  readonly id: string;
  readonly sealed: string;
  /** It sealed here at some time. */
  readonly dated: boolean;
}

/** The key that seals here now first; null where the metadata has not been made yet. */
async function readChecks(executor: Executor): Promise<KeyCheck[] | null> {
  const { rows: made } = await executor.query(
    `SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('key_checks') AND attname = 'activated_at') AS dated
      WHERE to_regclass('key_checks') IS NOT NULL`,
  );
  if (made.length === 0) return null;
  const { rows } = await executor.query<KeyCheck>(
    made[0].dated
      ? `SELECT key_id AS id, sealed, activated_at IS NOT NULL AS dated FROM key_checks ORDER BY activated_at DESC NULLS LAST`
      : 'SELECT key_id AS id, sealed, false AS dated FROM key_checks',
  );
  return rows;
}

/** Null where it is the one of its id. */
function faultOf(keyring: Keyring, { id, sealed }: KeyCheck): unknown {
  try {
    keyring.open(sealed, ['key_checks', id]);
    return null;
  } catch (cause) {
    return cause;
  }
}

/**
 * The key that seals comes first. One that was replaced here before does not come back by a process that was forgotten with
 * its ring: it seals under the one that came last, as the others do.
 */
function inOrder(
  keys: readonly [MasterKey, ...MasterKey[]],
  checks: readonly KeyCheck[],
): readonly [MasterKey, ...MasterKey[]] {
  const [current] = checks;
  const sealing = current?.dated && keys.find(({ id }) => id === current.id);
  const wasReplaced = current?.id !== keys[0].id && checks.some(({ id, dated }) => id === keys[0].id && dated);
  return sealing && wasReplaced ? [sealing, ...keys.filter((key) => key !== sealing)] : keys;
}

/**
 * Reads only, as a worker does; metadata that has not been made yet fits every ring.
 * @param lost ids of keys that are lost for good: nothing is asked about them
 * @throws StartError when a key is not the one of its id, or the one that seals here now is missing
 */
export async function checkMasterKeys(
  executor: Executor,
  keys: readonly [MasterKey, ...MasterKey[]],
  lost: readonly string[] = [],
): Promise<Keyring> {
  const checks = (await readChecks(executor)) ?? [];
  return fitting(keys, checks, givenUp(keys, checks, lost));
}

/** Of the keys that are named as lost those that the ring has not. */
function givenUp(
  keys: readonly [MasterKey, ...MasterKey[]],
  checks: readonly KeyCheck[],
  lost: readonly string[],
): KeyCheck[] {
  const keyring = createKeyring(keys);
  return checks.filter((check) => lost.includes(check.id) && faultOf(keyring, check) !== null);
}

/** @throws StartError */
function fitting(
  keys: readonly [MasterKey, ...MasterKey[]],
  all: readonly KeyCheck[],
  without: readonly KeyCheck[],
): Keyring {
  const checks = all.filter(({ sealed }) => !without.some((check) => check.sealed === sealed));
  const keyring = createKeyring(inOrder(keys, checks));
  const inRing = checks.filter(({ id }) => keyring.keyIds.includes(id));
  for (const check of inRing) {
    const cause = faultOf(keyring, check);
    if (cause !== null)
      throw new StartError(`MASTER_KEYS: the key “${check.id}” is not the one that sealed this metadata`, { cause });
  }
  if (checks.length > 0 && inRing.length === 0) {
    const ids = checks.map(({ id }) => id).join(', ');
    throw new StartError(`MASTER_KEYS: none of the keys that sealed this metadata is in the ring (${ids})`);
  }
  const [current] = checks;
  // With an older key alone, what the newer one sealed would not open, and the older one would seal on.
  if (current?.dated && !keyring.keyIds.includes(current.id)) {
    throw new StartError(`MASTER_KEYS: the key “${current.id}”, which seals here now, is not in the ring`);
  }
  return keyring;
}

/** Whether a key that this process does not have seals here since its own was replaced. */
export async function isSucceededBy(executor: Executor, keyring: Keyring, keyId: string): Promise<boolean> {
  if (keyring.keyIds.includes(keyId)) return false;
  const { rows } = await executor.query(
    `SELECT FROM key_checks AS next JOIN key_checks AS own ON next.activated_at > own.activated_at
      WHERE next.key_id = $1 AND own.key_id = $2`,
    [keyId, keyring.activeKeyId],
  );
  return rows.length > 0;
}

const lockName = 'quarry master keys';

/**
 * As a server does: keeps a check of every key of the ring, and the time from which a new one seals here. That goes one way:
 * a ring whose first key was replaced before seals under the newest.
 * @param lost ids of keys that are lost for good: their checks go
 * @throws StartError before anything is written when the ring is not that of this metadata
 */
export async function verifyKeyring(
  { pool, log }: { pool: pg.Pool; log: Log },
  keys: readonly [MasterKey, ...MasterKey[]],
  lost: readonly string[] = [],
): Promise<Keyring> {
  // Before the lock: what another process puts in its place while this one waits is not what was given up.
  const gone = givenUp(keys, (await readChecks(pool)) ?? [], lost);
  return transaction(pool, async (client) => {
    // Of two that bring what does not go together the second one sees the first.
    await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [lockName]);
    const checks = (await readChecks(client)) ?? [];
    const keyring = fitting(keys, checks, gone);
    for (const { id, sealed } of gone)
      await client.query('DELETE FROM key_checks WHERE key_id = $1 AND sealed = $2', [id, sealed]);
    for (const key of keys) {
      const sealed = createKeyring([key]).seal('quarry', ['key_checks', key.id]);
      await client.query('INSERT INTO key_checks (key_id, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING', [
        key.id,
        sealed,
      ]);
    }
    const { activeKeyId: to } = keyring;
    const { rowCount } = await client.query(
      // Later than whatever there is, also where the clock was put back.
      `UPDATE key_checks SET activated_at =
          greatest(clock_timestamp(), (SELECT max(activated_at) + interval '1 ms' FROM key_checks))
        WHERE key_id = $1 AND activated_at IS NULL`,
      [to],
    );
    const from = checks[0]?.dated ? checks[0].id : null;
    if (rowCount === 1) log.info({ from, to }, 'keys.activated');
    if (to !== keys[0].id) log.warn({ first: keys[0].id, sealing: to }, 'keys.order_ignored');
    return keyring;
  });
}
