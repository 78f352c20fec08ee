/** The chain of the audit: whatever is done to the table past Quarry is found and named. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { nobody } from '../../src/accounts/viewer.ts';
import { record } from '../../src/audit/audit.ts';
import { chain, createLookout, genesis, hashOf, sealBeginning } from '../../src/audit/chain.ts';
import { type AuditFault, verify } from '../../src/audit/verify.ts';
import { verifyKeyring } from '../../src/db/master-keys.ts';
import { transaction } from '../../src/db/metadata.ts';
import { createKeyring, type MasterKey } from '../../src/lib/keyring.ts';
import { createLog } from '../../src/lib/log.ts';
import { Secret } from '../../src/lib/secret.ts';
import { createWorld, type World } from '../accounts/world.ts';
import { createTestMetadata } from '../support/metadata.ts';

const log = createLog({ level: 'silent', format: 'json' });
const signal = new AbortController().signal;
let world: World;
let deps: { pool: World['pool']; keyring: World['keyring']; log: typeof log };

const write = (subject: string) =>
  record(world.pool, { actorId: null, action: 'project.created', subject, outcome: 'success', caller: nobody });

beforeAll(async () => {
  world = await createWorld();
  deps = { pool: world.pool, keyring: world.keyring, log };
  for (let n = 1; n <= 10; n += 1) {
    await write(`entry ${n}`);
    await chain(deps);
  }
  await world.sql('CREATE TABLE kept AS SELECT * FROM audit_entries');
  await world.sql('CREATE TABLE kept_heads AS SELECT * FROM audit_heads');
});

afterAll(() => world?.[Symbol.asyncDispose]());

/** Past the trigger, as the owner of the table can; and undone again. */
async function faultsAfter(...statements: string[]): Promise<readonly AuditFault[]> {
  try {
    await past(...statements);
    return (await verify(deps, signal)).faults;
  } finally {
    await undo();
  }
}

async function past(...statements: string[]): Promise<void> {
  await world.sql('ALTER TABLE audit_entries DISABLE TRIGGER USER; ALTER TABLE audit_heads DISABLE TRIGGER USER');
  for (const statement of statements) await world.sql(statement);
  await world.sql('ALTER TABLE audit_entries ENABLE TRIGGER USER; ALTER TABLE audit_heads ENABLE TRIGGER USER');
}

const undo = () =>
  past(
    'DELETE FROM audit_entries',
    'INSERT INTO audit_entries SELECT * FROM kept',
    'DELETE FROM audit_heads',
    'INSERT INTO audit_heads SELECT * FROM kept_heads',
  );

async function idAt(position: number): Promise<string> {
  const [row] = await world.sql<{ id: string }>('SELECT id FROM kept WHERE position = $1', [position]);
  return row!.id;
}

/** Numbers every entry from `from` on anew, with `by` more. */
const shift = (from: number, by: number) => [
  `UPDATE audit_entries SET position = -position WHERE position >= ${from}`,
  `UPDATE audit_entries SET position = -position + ${by} WHERE position < 0`,
];

/** A row as whoever knows how the chain is made could write it. */
async function forged(position: number): Promise<string> {
  const [before] = await world.sql<{ hash: Buffer }>('SELECT hash FROM kept WHERE position = $1', [position - 1]);
  const previous = before?.hash ?? genesis;
  const entry = {
    id: '00000000-0000-7000-8000-000000000000',
    createdAtMs: '0',
    actorId: null,
    action: 'project.deleted',
    subject: null,
    outcome: 'success',
    ipAddress: null,
    userAgent: null,
    details: null,
  };
  const hash = hashOf(previous, entry).toString('hex');
  return `INSERT INTO audit_entries (id, created_at, action, outcome, position, previous, hash) VALUES
    ('${entry.id}', to_timestamp(0), '${entry.action}', 'success', ${position}, '\\x${previous.toString('hex')}', '\\x${hash}')`;
}

test('a chain that nobody touched is whole', async () => {
  const verdict = await verify(deps, signal);
  expect(verdict).toEqual({
    entries: 10,
    head: { position: 10, hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    faults: [],
    complete: true,
  });
});

test('entries are neither changed nor deleted, nor chained twice', async () => {
  for (const statement of [
    'DELETE FROM audit_entries WHERE position = 3',
    "UPDATE audit_entries SET outcome = 'failure' WHERE position = 3",
    'UPDATE audit_entries SET position = 99 WHERE position = 3',
    'TRUNCATE audit_entries',
  ])
    await expect(world.sql(statement)).rejects.toMatchObject({ code: '42501' });
});

test.each(["subject = 'another'", "action = 'project.deleted'", 'actor_id = gen_random_uuid()', "ip_address = '::1'"])(
  'an entry in which somebody set %s is named',
  async (change) => {
    const faults = await faultsAfter(`UPDATE audit_entries SET ${change} WHERE position = 4`);
    expect(faults).toEqual([{ fault: 'changed', position: 4, id: await idAt(4) }]);
  },
);

test('a changed entry with a hash that fits it is named', async () => {
  const id = await idAt(4);
  const faults = await faultsAfter('DELETE FROM audit_entries WHERE position = 4', await forged(4));
  expect(faults).toEqual([{ fault: 'changed', position: 4, id: expect.not.stringMatching(id) }]);
});

test.each([1, 5, 10])('a removed entry is named: the one at %i', async (position) => {
  expect(await faultsAfter(`DELETE FROM audit_entries WHERE position = ${position}`)).toEqual([
    { fault: 'removed', position, count: 1 },
  ]);
});

test('several are named as one gap, also at the end', async () => {
  expect(await faultsAfter('DELETE FROM audit_entries WHERE position IN (3, 4, 9, 10)')).toEqual([
    { fault: 'removed', position: 9, count: 2 },
    { fault: 'removed', position: 3, count: 2 },
  ]);
  expect(await faultsAfter('DELETE FROM audit_entries')).toEqual([{ fault: 'removed', position: 1, count: 10 }]);
});

test('numbering the rest anew does not hide a removed one', async () => {
  expect(await faultsAfter('DELETE FROM audit_entries WHERE position = 5', ...shift(6, -1))).toEqual([
    { fault: 'removed', position: 5, count: 1 },
  ]);
});

test.each([1, 5, 11])('an inserted entry is named: one at %i', async (position) => {
  const faults = await faultsAfter(...shift(position, 1), await forged(position));
  expect(faults).toEqual([{ fault: 'inserted', position, id: '00000000-0000-7000-8000-000000000000' }]);
});

test('entries in another order are named', async () => {
  const faults = await faultsAfter(
    'UPDATE audit_entries SET position = 99 WHERE position = 5',
    'UPDATE audit_entries SET position = 5 WHERE position = 6',
    'UPDATE audit_entries SET position = 6 WHERE position = 99',
  );
  expect(faults).toEqual([{ fault: 'moved', position: 6, id: await idAt(5) }]);
});

test('who takes the newest away and moves the end there is found by its seal', async () => {
  const faults = await faultsAfter(
    'DELETE FROM audit_entries WHERE position > 7',
    'UPDATE audit_heads SET position = 7',
  );
  expect(faults).toEqual([{ fault: 'head', position: 7 }]);
});

describe('Quarry goes on with a chain whose end is not its own, and says so for ever', () => {
  test.each([
    ['moved', 10, ['UPDATE audit_heads SET position = 9']],
    [
      'cut and given another seal',
      7,
      ['DELETE FROM audit_entries WHERE position > 7', "UPDATE audit_heads SET sealed = 'x'"],
    ],
    ['deleted', 10, ['DELETE FROM audit_heads']],
    [
      'set back, so that all is forged anew',
      0,
      [
        'DELETE FROM audit_entries WHERE position > 7',
        "UPDATE audit_entries SET position = NULL, previous = NULL, hash = NULL, subject = 'forged'",
        'UPDATE audit_heads SET position = 0, sealed = NULL',
      ],
    ],
  ])('%s', async (_, position, statements) => {
    onTestFinished(undo);
    await past(...statements);
    // Also a start of Quarry does not make it good.
    await sealBeginning(world.pool, world.keyring);
    await chain(deps);
    const [entry] = await world.auditOf('audit.chain_broken');
    expect(entry.details).toEqual({ position });
    const { faults } = await verify(deps, signal);
    expect(faults).toEqual([{ fault: 'broken', position: Number(entry.position), id: entry.id }]);
    await write('later');
    await chain(deps);
    expect((await verify(deps, signal)).faults).toEqual(faults);
  });

  test('without its row there is no verdict but that', async () => {
    expect(await faultsAfter('DELETE FROM audit_heads')).toEqual([{ fault: 'head', position: 10 }]);
    expect(
      await faultsAfter('DELETE FROM audit_entries', 'UPDATE audit_heads SET position = 0, sealed = NULL'),
    ).toEqual([{ fault: 'head', position: 0 }]);
  });

  test('an older end that is put back with its seal is found by a process that has seen the newer one', async () => {
    onTestFinished(undo);
    const look = createLookout(deps);
    expect(await look()).toBe(false);
    await write('newer');
    await chain(deps);
    expect(await look()).toBe(false);
    await undo();
    expect(await look()).toBe(true);
    expect(await look()).toBe(true);
    await chain(deps);
    expect((await world.auditOf('audit.chain_broken')).map(({ details }) => details)).toEqual([
      { position: 10, seen: 11 },
    ]);
    expect((await verify(deps, signal)).faults).toMatchObject([{ fault: 'broken', position: 11 }]);
  });

  test('its row is not deleted, and has no other beside it', async () => {
    await expect(world.sql('DELETE FROM audit_heads')).rejects.toMatchObject({ code: '42501' });
    await expect(world.sql('TRUNCATE audit_heads')).rejects.toMatchObject({ code: '42501' });
    await expect(world.sql('INSERT INTO audit_heads (id) VALUES (2)')).rejects.toMatchObject({ code: '23514' });
  });
});

test('half a pair of surrogates in what an entry tells is written as what stands for it', async () => {
  onTestFinished(undo);
  const event = { actorId: null, action: 'bucket.created', subject: null, outcome: 'success', caller: nobody } as const;
  await record(world.pool, { ...event, details: { name: 'a\ud800', of: ['\udc00'] } });
  expect((await world.auditOf('bucket.created')).map(({ details }) => details)).toEqual([
    { name: 'a\ufffd', of: ['\ufffd'] },
  ]);
});

test('with another master key the end proves nothing, and with the old one beside it everything', async () => {
  const other = { id: 'k2', key: new Secret(randomBytes(32)) };
  expect((await verify({ ...deps, keyring: createKeyring([other]) }, signal)).faults).toMatchObject([
    { fault: 'head' },
  ]);
  expect((await verify(deps, signal)).faults).toEqual([]);
});

test('a replica with the ring of before leaves the chain to those who have the key that came since', async () => {
  await using own = await createTestMetadata();
  const [first, second] = ['first', 'second'].map((id) => ({ id, key: new Secret(randomBytes(32)) })) as [
    MasterKey,
    MasterKey,
  ];
  const ringOf = (...keys: [MasterKey, ...MasterKey[]]) => verifyKeyring({ pool: own.pool, log }, keys);
  const before = await ringOf(first);
  await sealBeginning(own.pool, before);
  const now = await ringOf(second, first);
  const entry = () =>
    record(own.pool, { actorId: null, action: 'project.created', subject: 'x', outcome: 'success', caller: nobody });
  for (const [keyring, linked] of [
    [before, 1],
    [now, 1],
    [before, 0],
    [now, 2],
  ] as const) {
    await entry();
    expect(await chain({ pool: own.pool, keyring, log })).toBe(linked);
  }
  expect((await verify({ pool: own.pool, keyring: now }, signal)).faults).toEqual([]);
});

test('two replicas that chain while many write make one chain, in which an undone transaction leaves no gap', async () => {
  const second = await world.startReplica();
  const writing = Array.from({ length: 40 }, (_, n) =>
    transaction(world.pool, async (client) => {
      const event = { actorId: null, action: 'project.updated', subject: null, outcome: 'success' } as const;
      await record(client, { ...event, caller: nobody, details: { n } });
      if (n % 4 === 0) throw new Error('undone');
    }).catch(() => undefined),
  );
  const chaining = Array.from({ length: 20 }, (_, n) => chain({ ...deps, pool: n % 2 ? world.pool : second.pool }));
  await Promise.all([...writing, ...chaining]);
  await chain(deps);
  expect(await verify(deps, signal)).toMatchObject({ entries: 40, faults: [] });
  expect(await world.auditOf('project.updated')).toHaveLength(30);
});
