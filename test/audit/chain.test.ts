/** The chain of the audit: whatever is done to the table past Quarry is found and named. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nobody } from '../../src/accounts/viewer.ts';
import { record } from '../../src/audit/audit.ts';
import { chain, genesis, hashOf } from '../../src/audit/chain.ts';
import { type AuditFault, verify } from '../../src/audit/verify.ts';
import { transaction } from '../../src/db/metadata.ts';
import { createKeyring } from '../../src/lib/keyring.ts';
import { createLog } from '../../src/lib/log.ts';
import { Secret } from '../../src/lib/secret.ts';
import { createWorld, type World } from '../accounts/world.ts';

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
  await world.sql('ALTER TABLE audit_entries DISABLE TRIGGER USER');
  try {
    for (const statement of statements) await world.sql(statement);
    return (await verify(deps, signal)).faults;
  } finally {
    await world.sql('DELETE FROM audit_entries');
    await world.sql('INSERT INTO audit_entries SELECT * FROM kept');
    await world.sql('DELETE FROM audit_heads');
    await world.sql('INSERT INTO audit_heads SELECT * FROM kept_heads');
    await world.sql('ALTER TABLE audit_entries ENABLE TRIGGER USER');
  }
}

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

test('a chain whose end was moved goes on with an entry that says so', async () => {
  await world.sql('UPDATE audit_heads SET position = 9');
  await chain(deps);
  const { faults, entries } = await verify(deps, signal);
  expect({ faults, entries }).toEqual({ faults: [], entries: 11 });
  expect((await world.auditOf('audit.chain_broken')).map(({ details }) => details)).toEqual([{ position: 10 }]);
});

test('with another master key the end proves nothing, and with the old one beside it everything', async () => {
  const other = { id: 'k2', key: new Secret(randomBytes(32)) };
  expect((await verify({ ...deps, keyring: createKeyring([other]) }, signal)).faults).toMatchObject([
    { fault: 'head' },
  ]);
  expect((await verify(deps, signal)).faults).toEqual([]);
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
  expect(await verify(deps, signal)).toMatchObject({ entries: 41, faults: [] });
  expect(await world.auditOf('project.updated')).toHaveLength(30);
});
