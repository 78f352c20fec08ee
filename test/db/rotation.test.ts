/** KEY-1: a rotation of the master keys while everything is served, and rings that do not fit. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAccessTokens } from '../../src/accounts/access-tokens.ts';
import { createCredentials } from '../../src/databases/credentials.ts';
import type { Database } from '../../src/databases/store.ts';
import { connect } from '../../src/db/connection.ts';
import { installationSecret } from '../../src/db/installation-secrets.ts';
import { checkMasterKeys, verifyKeyring } from '../../src/db/master-keys.ts';
import { createPool } from '../../src/db/metadata.ts';
import { countSecrets, rotate, startRotation } from '../../src/db/rotation.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createKeyring, type Keyring, type MasterKey } from '../../src/lib/keyring.ts';
import type { Log } from '../../src/lib/log.ts';
import { Secret } from '../../src/lib/secret.ts';
import { sealedColumns } from '../../src/sealed-columns.ts';
import { createLinks } from '../../src/storage/files/links.ts';
import { createTestMetadata, silent, type TestMetadata } from '../support/metadata.ts';

const secrets = 10_000;
const masterKey = (id: string): MasterKey => ({ id, key: new Secret(randomBytes(32)) });
const [k1, k2, k3] = [masterKey('k1'), masterKey('k2'), masterKey('k3')] as const;
const never = new AbortController().signal;

let metadata: TestMetadata;
const rotation = (keyring: Keyring, pool = metadata.pool) => ({ pool, keyring, columns: sealedColumns, log: silent });

beforeAll(async () => {
  metadata = await createTestMetadata();
});
afterAll(() => metadata?.[Symbol.asyncDispose]());

const passwordOf = (id: string) => `canary-${id}`;

/** As many databases, each with a password of its own. */
async function fill(keyring: Keyring, count: number): Promise<Database[]> {
  const { seal } = createCredentials({ keyring, playground: null, store: {} as never });
  const at = { host: 'db.example.com', port: 5432, database: 'shop', user: 'quarry', ssl: 'REQUIRE' as const };
  const databases = Array.from({ length: count }, () => {
    const id = uuidv7();
    return { ...at, id, sealedPassword: seal(id, at, passwordOf(id)) } as Database;
  });
  await metadata.pool.query(
    `INSERT INTO databases (id, name, engine, host, port, database_name, username, ssl_mode, sealed_password,
       allow_insecure_authentication, read_only, hosted, system, capabilities, updated_at)
     SELECT id, 'shop', 'postgresql', $3, $4, $5, $6, $7, sealed, false, false, false, false, '{}', now()
       FROM unnest($1::uuid[], $2::text[]) AS n(id, sealed)`,
    [databases.map(({ id }) => id), databases.map(({ sealedPassword }) => sealedPassword), ...Object.values(at)],
  );
  return databases;
}

async function stored(ids: readonly string[]): Promise<Map<string, string>> {
  const { rows } = await metadata.pool.query('SELECT id, sealed_password FROM databases WHERE id = ANY($1)', [ids]);
  return new Map(rows.map((row) => [row.id, row.sealed_password]));
}

test('every column of the metadata that is sealed is wrapped again', async () => {
  const { rows } = await metadata.pool.query(
    `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
      WHERE table_schema = 'public' AND column_name LIKE 'sealed%' AND table_name <> 'key_checks' ORDER BY 1`,
  );
  expect(sealedColumns.map(({ table, column }) => `${table}.${column}`).sort()).toEqual(rows.map(({ name }) => name));
});

test('ten thousand secrets are wrapped again while they are read; a rotation that is killed goes on', async () => {
  const old = await verifyKeyring({ pool: metadata.pool, log: silent }, [k1]);
  const databases = await fill(old, secrets);
  const name = 'playground/admin';
  await installationSecret({ db: metadata.pool, keyring: old }, name, 'canary-playground');
  const keyring = await verifyKeyring({ pool: metadata.pool, log: silent }, [k2, k1]);
  const { open } = createCredentials({ keyring, playground: null, store: {} as never });

  let reads = 0;
  const reading = new AbortController();
  const reader = (async () => {
    while (!reading.signal.aborted) {
      const some = Array.from({ length: 20 }, () => databases[Math.floor(Math.random() * secrets)]!);
      const now = await stored(some.map(({ id }) => id));
      for (const database of some) {
        expect(open({ ...database, sealedPassword: now.get(database.id)! })).toBe(passwordOf(database.id));
        reads += 1;
      }
    }
  })();

  // After some batches nothing more of it reaches the database.
  const killed = createPool({ connection: metadata.database, log: silent, max: 4 });
  let ended: Promise<void> | undefined;
  let batches = 0;
  const log = {
    info(_fields: object, event: string) {
      if (event !== 'keys.rotating') return;
      batches += 1;
      if (batches === 5) ended = killed.end();
    },
    warn() {},
  };
  await expect(rotate({ ...rotation(keyring, killed), log: log as never }, never)).rejects.toThrow();
  await ended;
  const halfway = await countSecrets(rotation(keyring));
  expect(halfway.k1).toBeGreaterThan(0);
  expect(halfway.k2).toBeGreaterThan(0);
  expect(halfway.k1! + halfway.k2!).toBe(secrets + 1);

  const since = performance.now();
  const [report, other] = await Promise.all([
    rotate(rotation(keyring), never),
    // Another replica that is at it at the same time either leaves it, or finds what is left.
    rotate(rotation(keyring), never),
  ]);
  const seconds = (performance.now() - since) / 1_000;
  reading.abort();
  await reader;
  const rewrapped = (report?.rewrapped ?? 0) + (other?.rewrapped ?? 0);
  expect(rewrapped).toBe(halfway.k1);
  expect(await countSecrets(rotation(keyring))).toEqual({ k2: secrets + 1 });
  console.log(`KEY-1 rotated=${rewrapped} perSecond=${Math.round(rewrapped / seconds)} reads=${reads} failedReads=0`);

  // Again, there is nothing left to do; and the old key can go.
  expect(await rotate(rotation(keyring), never)).toEqual({ rewrapped: 0, unopened: 0 });
  const young = await verifyKeyring({ pool: metadata.pool, log: silent }, [k2]);
  const now = await stored(databases.map(({ id }) => id));
  const alone = createCredentials({ keyring: young, playground: null, store: {} as never });
  for (const database of databases)
    expect(alone.open({ ...database, sealedPassword: now.get(database.id)! })).toBe(passwordOf(database.id));
  expect(await installationSecret({ db: metadata.pool, keyring: young }, name, 'another')).toBe('canary-playground');
  const dump = await metadata.pool.query(`SELECT string_agg(d::text, '') AS text FROM databases d`);
  expect(dump.rows[0].text).not.toContain('canary-');
});

test('a secret whose key is lost says so by itself, and keeps nothing else back', async () => {
  const lost = await fill(createKeyring([k3]), 3);
  const [fine] = await fill(createKeyring([k1]), 1);
  const keyring = await verifyKeyring({ pool: metadata.pool, log: silent }, [k2, k1]);
  expect(await rotate(rotation(keyring), never)).toEqual({ rewrapped: 1, unopened: 3 });
  const { open } = createCredentials({ keyring, playground: null, store: {} as never });
  expect(open({ ...fine!, sealedPassword: (await stored([fine!.id])).get(fine!.id)! })).toBe(passwordOf(fine!.id));
  for (const database of lost) {
    expect(() => open(database)).toThrow(
      expect.objectContaining({
        code: 'CONNECTION_FAILED',
        details: expect.objectContaining({ reason: 'CREDENTIALS' }),
      }),
    );
  }
  // With its key it is there again.
  expect(await rotate(rotation(createKeyring([k2, k1, k3])), never)).toEqual({ rewrapped: 3, unopened: 0 });
});

test('a secret that is put there meanwhile stays', async () => {
  const [database] = await fill(createKeyring([k1]), 1);
  const keyring = createKeyring([k2, k1]);
  const another = createKeyring([k1]).seal('another', ['x']);
  const pool = {
    connect: () => metadata.pool.connect(),
    async query(sql: string, values: unknown[]) {
      const found = await metadata.pool.query(sql, values);
      await metadata.pool.query('UPDATE databases SET sealed_password = $2 WHERE id = $1', [database!.id, another]);
      return found;
    },
  };
  await rotate(rotation(keyring, pool as never), never);
  expect((await stored([database!.id])).get(database!.id)).toBe(another);
  await metadata.pool.query('DELETE FROM databases WHERE id = $1', [database!.id]);
});

test('of two replicas whose rings are in another order the one whose key came last decides', async () => {
  await metadata.pool.query('DELETE FROM databases');
  const [database] = await fill(createKeyring([k2]), 1);
  const behind = await verifyKeyring({ pool: metadata.pool, log: silent }, [k2, k3]);
  const ahead = await verifyKeyring({ pool: metadata.pool, log: silent }, [k3, k2]);
  expect(await rotate(rotation(behind), never)).toBeNull();
  await using running = disposable(startRotation(rotation(ahead)));
  while (running.counts().k3 === undefined) await new Promise((resolve) => setImmediate(resolve));
  expect(running.counts()).toEqual({ k3: 1 + 1 });
  expect(await rotate(rotation(behind), never)).toBeNull();
  const { open } = createCredentials({ keyring: behind, playground: null, store: {} as never });
  const now = await stored([database!.id]);
  expect(open({ ...database!, sealedPassword: now.get(database!.id)! })).toBe(passwordOf(database!.id));
});

test('who is forgotten with the order of before takes no key back, also when the clock was put back', async () => {
  const seals = async () => (await metadata.pool.query('SELECT * FROM key_checks ORDER BY 1')).rows;
  const events: unknown[] = [];
  const log = {
    info: (fields: object, event: string) => events.push([event, fields]),
    warn: (fields: object, event: string) => events.push([event, fields]),
  } as unknown as Log;
  await metadata.pool.query(`UPDATE key_checks SET activated_at = activated_at + interval '1 day'`);
  const before = await seals();
  const stale = await verifyKeyring({ pool: metadata.pool, log }, [k2, k3]);
  expect(events).toEqual([['keys.order_ignored', { first: 'k2', sealing: 'k3' }]]);
  expect([stale.activeKeyId, stale.keyIds]).toEqual(['k3', ['k3', 'k2']]);
  expect(await rotate(rotation(stale), never)).toEqual({ rewrapped: 0, unopened: 0 });
  expect(await seals()).toEqual(before);
  const sealed = stale.seal('new', ['x']);
  const alone = await verifyKeyring({ pool: metadata.pool, log }, [k3]);
  expect(alone.open(sealed, ['x'])).toBe('new');
  // A new one is taken up, whatever the clock says.
  const k5 = masterKey('k5');
  const next = await verifyKeyring({ pool: metadata.pool, log }, [k5, k3]);
  expect(events.slice(1)).toEqual([['keys.activated', { from: 'k3', to: 'k5' }]]);
  expect(await rotate(rotation(next), never)).toEqual({ rewrapped: 2, unopened: 0 });
  await metadata.pool.query(`DELETE FROM key_checks WHERE key_id = 'k5'`);
  expect(await rotate(rotation(createKeyring([k3, k5])), never)).toEqual({ rewrapped: 2, unopened: 0 });
});

test('a worker checks alone: which key seals, and what there is, a server decides', async () => {
  const seals = async () => (await metadata.pool.query('SELECT * FROM key_checks ORDER BY 1')).rows;
  const before = await seals();
  expect((await checkMasterKeys(metadata.pool, [k2, k3])).activeKeyId).toBe('k3');
  // It may start before the servers do.
  expect((await checkMasterKeys(metadata.pool, [masterKey('k6'), k3])).activeKeyId).toBe('k6');
  expect(await seals()).toEqual(before);
});

const disposable = <T extends { stop(): Promise<void> }>(service: T) =>
  Object.assign(service, { [Symbol.asyncDispose]: () => service.stop() });

test('tokens and links of a replica with another active key are good', async () => {
  const [a, b] = [createKeyring([k1, k2]), createKeyring([k2, k1])] as const;
  const tokens = (keyring: Keyring) =>
    createAccessTokens({ keyring, issuer: 'http://quarry.test', clock: () => new Date() });
  const subject = { userId: uuidv7(), sessionId: uuidv7() };
  const plain = { purpose: 'show', fileId: uuidv7(), userId: uuidv7(), keyId: null } as const;
  const link = { ...plain, madeAt: new Date(1_700_000_000_000), expiresAt: new Date(1_800_000_000_000) };
  const keyed = { ...link, keyId: uuidv7() };
  for (const [mine, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const { token } = await tokens(mine).issue(subject);
    expect(await tokens(other).verify(token)).toMatchObject(subject);
    await expect(tokens(createKeyring([k3])).verify(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
    for (const each of [link, keyed]) {
      const signed = createLinks({ keyring: mine }).sign(each);
      expect(createLinks({ keyring: other }).open(signed)).toEqual(each);
      expect(createLinks({ keyring: createKeyring([k3]) }).open(signed)).toBeNull();
    }
  }
  expect(new Set(tokens(a).jwks().keys)).toEqual(new Set(tokens(b).jwks().keys));
});

test.each<[string, [MasterKey, ...MasterKey[]], RegExp]>([
  ['with the right name and other bytes', [masterKey('k3')], /“k3” is not the one/],
  ['that is the second one, and another', [k3, masterKey('k2')], /“k2” is not the one/],
  ['that was never here', [masterKey('k9')], /none of the keys/],
  ['that was, where a newer one seals by now', [k2], /“k3”, which seals here now, is not in the ring/],
])('a key %s refuses the start before anything is written', async (_what, keys, reason) => {
  const checks = async () => (await metadata.pool.query('SELECT * FROM key_checks ORDER BY 1')).rows;
  const before = await checks();
  await expect(verifyKeyring({ pool: metadata.pool, log: silent }, keys)).rejects.toThrow(reason);
  expect(await checks()).toEqual(before);
});

test('of two that bring another key of one name at the same time one is refused', async () => {
  const results = await Promise.allSettled([
    verifyKeyring({ pool: metadata.pool, log: silent }, [k3, masterKey('k4')]),
    verifyKeyring({ pool: metadata.pool, log: silent }, [k3, masterKey('k4')]),
  ]);
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

describe('a key that is lost for good', () => {
  let own: TestMetadata;
  beforeAll(async () => {
    own = await createTestMetadata();
  });
  afterAll(() => own?.[Symbol.asyncDispose]());
  const checks = async () =>
    (await own.pool.query('SELECT key_id, sealed FROM key_checks ORDER BY 1')).rows as {
      key_id: string;
      sealed: string;
    }[];

  test('lets a start without it go on when it is named, and only then', async () => {
    await verifyKeyring({ pool: own.pool, log: silent }, [k1]);
    await expect(verifyKeyring({ pool: own.pool, log: silent }, [k2])).rejects.toThrow(/none of the keys/);
    await expect(verifyKeyring({ pool: own.pool, log: silent }, [k2], ['k3'])).rejects.toThrow(/none of the keys/);
    await verifyKeyring({ pool: own.pool, log: silent }, [k2], ['k1']);
    expect((await checks()).map(({ key_id }) => key_id)).toEqual(['k2']);
    // From now on the new one is what a start asks for.
    await verifyKeyring({ pool: own.pool, log: silent }, [k2]);
    await expect(verifyKeyring({ pool: own.pool, log: silent }, [k3])).rejects.toThrow(/none of the keys/);
  });

  test('may be named by mistake: one that is there and good stays', async () => {
    const before = await checks();
    await verifyKeyring({ pool: own.pool, log: silent }, [k2], ['k2']);
    expect(await checks()).toEqual(before);
  });

  test('gives its name to another one, as a server does that made its own; of two at the same time to one', async () => {
    // Both have seen the lost one before either has put its own in its place.
    await using gate = await connect(own.database);
    await gate.client.query('BEGIN; LOCK TABLE key_checks IN SHARE MODE');
    const starting = Promise.allSettled([
      verifyKeyring({ pool: own.pool, log: silent }, [masterKey('k2')], ['k2']),
      verifyKeyring({ pool: own.pool, log: silent }, [masterKey('k2')], ['k2']),
    ]);
    const waiting = `SELECT count(*)::int AS n FROM pg_locks l JOIN pg_database d ON d.oid = l.database
      WHERE d.datname = current_database() AND NOT l.granted`;
    while ((await own.pool.query(waiting)).rows[0].n < 2);
    await gate.client.query('COMMIT');
    const refused = (await starting).flatMap((result) => (result.status === 'rejected' ? [result.reason.message] : []));
    expect(refused).toEqual([expect.stringMatching(/“k2” is not the one/)]);
    expect((await checks()).map(({ key_id }) => key_id)).toEqual(['k2']);
    await expect(verifyKeyring({ pool: own.pool, log: silent }, [k2])).rejects.toThrow(/“k2” is not the one/);
  });

  test('is not needed by two that start at first: one of two rings without a common key is refused', async () => {
    await own.pool.query('DELETE FROM key_checks');
    const results = await Promise.allSettled([
      verifyKeyring({ pool: own.pool, log: silent }, [masterKey('m')]),
      verifyKeyring({ pool: own.pool, log: silent }, [masterKey('n')]),
    ]);
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test('leaves what it sealed closed, each by itself, and what was sealed with others open', async () => {
    const name = 'playground/admin';
    await own.pool.query('DELETE FROM key_checks');
    const both = await verifyKeyring({ pool: own.pool, log: silent }, [k1, k3]);
    await installationSecret({ db: own.pool, keyring: both }, name, 'canary');
    const keyring = await verifyKeyring({ pool: own.pool, log: silent }, [k3], ['k1']);
    expect(await rotate({ pool: own.pool, keyring, columns: sealedColumns, log: silent }, never)).toEqual({
      rewrapped: 0,
      unopened: 1,
    });
    expect(await installationSecret({ db: own.pool, keyring }, name, 'another')).toBe('another');
  });
});
