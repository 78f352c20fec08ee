/** API keys: made by who is signed in, shown once, and never more than their scopes. Streams with them: acceptance/tokens. */

import type { GraphQLSchema } from 'graphql';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ApiKey, maxApiKeys } from '../../src/accounts/keys/api-keys.ts';
import { createLiveKeys } from '../../src/accounts/keys/live-keys.ts';
import { hashOf, parseKey, prefixOf } from '../../src/accounts/keys/secrets.ts';
import type { LiveKey } from '../../src/accounts/keys/store.ts';
import type { ApiKeyScope } from '../../src/accounts/viewer.ts';
import { createAuditLog } from '../../src/audit/audit-log.ts';
import { transaction } from '../../src/db/metadata.ts';
import { createSchema } from '../../src/graph/schema.ts';
import type { Job } from '../../src/jobs/job.ts';
import { createBus } from '../../src/lib/bus.ts';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { createLog } from '../../src/lib/log.ts';
import type { Topic } from '../../src/lib/topics.ts';
import { createGraph } from './graph.ts';
import { caller, createWorld, type World } from './world.ts';

let world: World;
let run: ReturnType<typeof createGraph>;
type Person = Awaited<ReturnType<World['person']>>;
let admin: Person;
let ann: Person;
let bob: Person;

beforeAll(async () => {
  world = await createWorld();
  run = createGraph(world);
  admin = await world.person('admin');
  ann = await world.person('ann');
  bob = await world.person('bob');
});
afterAll(() => world[Symbol.asyncDispose]());

const key = (by: Person, scope: ApiKeyScope, expiresAt: Date | null = null) =>
  world.apiKeys.create(by.viewer, { name: scope, scopes: [scope], expiresAt, databaseIds: null }, caller);
const viewerOf = async (by: Person, scope: ApiKeyScope) => world.bearer((await key(by, scope)).secret);
const refused = { code: 'UNAUTHENTICATED' };

const fields = 'id name prefix scopes expiresAt lastUsedAt revokedAt createdAt';
const create = `mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret apiKey { ${fields} } } }`;
const revoke = `mutation ($id: ID!) { revokeApiKey(input: { id: $id }) { apiKey { ${fields} } } }`;
const mine = `{ viewer { email sessions { id } apiKeys { ${fields} } } }`;

describe('a key', () => {
  test('is shown once, and what is kept opens nothing', async () => {
    const expiresAt = '2099-01-01T00:00:00.000Z';
    const made = await run(ann.viewer, create, { input: { name: ' CI ', scopes: ['QUERY', 'READ'], expiresAt } });
    const { secret, apiKey } = made.data.createApiKey;
    expect(apiKey).toMatchObject({ name: 'CI', scopes: ['READ', 'QUERY'], lastUsedAt: null, revokedAt: null });
    expect(new Date(apiKey.expiresAt)).toEqual(new Date(expiresAt));
    const [prefix, half = ''] = secret.split('.');
    expect(prefix).toBe(apiKey.prefix);
    expect(Buffer.from(half, 'base64url').length * 8).toBeGreaterThanOrEqual(160);
    const kept = await world.sql('SELECT k::text AS text FROM api_keys k UNION SELECT a::text FROM audit_entries a');
    expect(JSON.stringify(kept)).not.toContain(half);
    expect(JSON.stringify((await run(ann.viewer, mine)).data)).toContain(apiKey.id);
    expect(JSON.stringify((await run(ann.viewer, mine)).data)).not.toContain(half);
    expect((await world.auditOf('api_key.created')).at(-1)).toMatchObject({ actor_id: ann.userId, subject: apiKey.id });
  });

  test('acts for its user, within its greatest scope', async () => {
    const { apiKey, secret } = await key(ann, 'write');
    const viewer = await world.bearer(secret);
    expect(viewer).toMatchObject({ userId: ann.userId, role: 'member', key: { id: apiKey.id, scope: 'write' } });
    expect((await run(viewer, '{ viewer { email } }')).data.viewer.email).toBe(ann.email);
  });

  test('that was changed anywhere is refused', async () => {
    const { apiKey, secret } = await key(ann, 'read');
    const other = await key(bob, 'read');
    const [, half = ''] = secret.split('.');
    const forged = [
      `${secret.slice(0, -2)}${secret.endsWith('AA') ? 'BB' : 'AA'}`,
      `${secret}A`,
      secret.slice(0, -1),
      apiKey.id,
      prefixOf(apiKey.id),
      `${prefixOf(apiKey.id)}.`,
      `${prefixOf(other.apiKey.id)}.${half}`,
      `${prefixOf(uuidv7())}.${half}`,
      `${prefixOf(apiKey.id)}.${hashOf(half).toString('base64url')}`,
      secret.replace('quarry_', 'QUARRY_'),
      secret.replace('quarry_', ''),
      `${secret}\n`,
      'quarry_',
      'quarry_.',
    ];
    for (const token of forged) await expect(world.bearer(token), token).rejects.toMatchObject(refused);
    await world.bearer(secret);
  });

  test('is no access token, and neither is a refresh token a key', async () => {
    const { secret } = await key(ann, 'read');
    await expect(world.accounts.authenticate(secret)).rejects.toMatchObject(refused);
    await expect(world.apiKeys.authenticate(ann.accessToken)).rejects.toMatchObject(refused);
    await expect(world.apiKeys.authenticate(ann.refreshToken)).rejects.toMatchObject(refused);
    await expect(world.bearer(ann.refreshToken)).rejects.toMatchObject(refused);
  });

  test('ends when it was said to', async () => {
    const later = await world.startReplica({ clock: () => new Date('2098-01-01') });
    const expiresAt = new Date('2097-12-31');
    const { secret } = await key(ann, 'read', expiresAt);
    expect((await world.bearer(secret)).expiresAt).toEqual(expiresAt);
    await expect(later.bearer(secret)).rejects.toMatchObject(refused);
  });

  test('that is revoked opens nothing on any replica, and stays in the list', async () => {
    const replica = await world.startReplica();
    const { apiKey, secret } = await key(ann, 'read');
    await replica.bearer(secret);
    const heard = new Promise((resolve) => replica.bus.listen('session.revoked', apiKey.id, () => resolve(null)));
    const id = encodeId('ApiKey', apiKey.id);
    // Its use is written behind the answer to it.
    const used = async () =>
      (await run(ann.viewer, mine)).data.viewer.apiKeys.find((each: { id: string }) => each.id === id);
    while ((await used()).lastUsedAt === null);
    const first = await run(ann.viewer, revoke, { id });
    await expect(world.bearer(secret)).rejects.toMatchObject(refused);
    await heard;
    await expect(replica.bearer(secret)).rejects.toMatchObject(refused);
    // Once more is nothing more.
    expect((await run(ann.viewer, revoke, { id })).data).toEqual(first.data);
    const { apiKeys } = (await run(ann.viewer, mine)).data.viewer;
    expect(apiKeys.find((each: { id: string }) => each.id === id).revokedAt).toEqual(expect.anything());
    const audited = await world.auditOf('api_key.revoked');
    expect(audited.filter(({ subject }) => subject === id)).toHaveLength(1);
  });

  test('that is revoked ends what was submitted with it, and nothing else', async () => {
    const [revoked, other] = [(await key(ann, 'query')).apiKey.id, (await key(ann, 'query')).apiKey.id];
    const later = new Date(Date.now() + 3_600_000);
    const started: Job[] = [];
    const worker = world.jobs.serve({
      workerId: uuidv7(),
      concurrency: 1,
      busy: () => started.length,
      claiming: () => undefined,
      start: (jobs) => started.push(...jobs),
      failed: () => undefined,
    });
    const running = await world.job(ann.userId, { keyId: revoked });
    await worker.wake();
    await worker.stop();
    expect(started.map(({ id }) => id)).toEqual([running]);
    const heard = new Promise<void>((resolve) => world.bus.listen('job.cancel', running, () => resolve()));
    const ending = [
      await world.job(ann.userId, { keyId: revoked }),
      await world.job(ann.userId, { keyId: revoked, runAt: later }),
    ];
    const staying = [await world.job(ann.userId, { keyId: other, runAt: later }), await world.job(ann.userId)];
    await run(ann.viewer, revoke, { id: encodeId('ApiKey', revoked) });
    await heard;
    expect(await world.jobs.find(running)).toMatchObject({ status: 'running', cancelRequestedAt: expect.any(Date) });
    for (const id of ending) expect(await world.jobs.find(id)).toMatchObject({ status: 'cancelled' });
    for (const id of staying) expect(await world.jobs.find(id)).toMatchObject({ status: 'queued' });
  });

  test('that has ended starts nothing that waited for a place, and holds up nobody behind it', async () => {
    const carl = await world.person();
    const [ended, live] = [(await key(carl, 'query')).apiKey.id, (await key(carl, 'query')).apiKey.id];
    const started: Job[] = [];
    const serve = () =>
      world.jobs.serve({
        workerId: uuidv7(),
        concurrency: 100,
        busy: () => started.length,
        claiming: () => undefined,
        start: (jobs) => started.push(...jobs),
        failed: () => undefined,
      });
    const staying: string[] = [];
    // Among others, and as the only one that is ready.
    for (const [dead, waiting] of [
      [
        [ended, ended],
        [live, undefined],
      ],
      [[ended], []],
    ]) {
      const jobsOf = (keys: (string | undefined)[]) =>
        Promise.all(keys.map((keyId) => world.job(carl.userId, { ...(keyId && { keyId }) })));
      await world.sql('UPDATE api_keys SET expires_at = NULL WHERE id = $1', [ended]);
      const ending = await jobsOf(dead!);
      staying.push(...(await jobsOf(waiting!)));
      await world.sql('UPDATE api_keys SET expires_at = now() WHERE id = $1', [ended]);
      const worker = serve();
      await worker.wake();
      await worker.stop();
      for (const id of ending) {
        const job = await world.jobs.find(id);
        expect(job).toMatchObject({ status: 'cancelled', attempt: 0, startedAt: null, finishedAt: expect.any(Date) });
      }
      const ours = started.filter(({ ownerId }) => ownerId === carl.userId).map(({ id }) => id);
      expect(ours.toSorted()).toEqual(staying.toSorted());
    }
  });

  test.each(['revoked_at', 'expires_at'])(
    'that has ended, %s, submits nothing more, alone or beside others',
    async (end) => {
      const carl = await world.person();
      const { id: keyId } = (await key(carl, 'query')).apiKey;
      await world.sql(`UPDATE api_keys SET ${end} = now() WHERE id = $1`, [keyId]);
      await expect(world.job(carl.userId, { keyId })).rejects.toMatchObject(refused);
      const [dead, live] = await Promise.allSettled([world.job(carl.userId, { keyId }), world.job(carl.userId)]);
      expect(dead).toMatchObject({ status: 'rejected', reason: refused });
      expect(live).toMatchObject({ status: 'fulfilled' });
      expect(await world.sql('SELECT FROM jobs WHERE owner_id = $1', [carl.userId])).toHaveLength(1);
    },
  );

  test('that is being revoked lets in what came before it and ends it, and what comes behind it waits and is refused', async () => {
    const carl = await world.person();
    const { id: keyId } = (await key(carl, 'query')).apiKey;
    const submitted = async () => world.job(carl.userId, { keyId });
    const before = await transaction(world.pool, async (client) => {
      // Whoever submits at this moment has not been refused: nobody sees yet that the key is revoked.
      await client.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [keyId]);
      const id = await submitted();
      await world.jobs.cancelAllOfKeys(client, carl.userId, [keyId]);
      const late = submitted();
      late.catch(() => undefined);
      while ((await world.sql(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).length === 0);
      return { id, late };
    });
    expect(await world.jobs.find(before.id)).toMatchObject({ status: 'cancelled' });
    await expect(before.late).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('that has ended starts nothing that was to run later', async () => {
    const [ended, gone, live] = await Promise.all([1, 2, 3].map(async () => (await key(ann, 'query')).apiKey.id));
    const submitted = (keyId?: string) =>
      world.job(ann.userId, { runAt: new Date(Date.now() + 3_600_000), ...(keyId && { keyId }) });
    const dead = [await submitted(ended), await submitted(gone)];
    const due = [await submitted(live), await submitted()];
    await world.sql('UPDATE api_keys SET expires_at = now() WHERE id = $1', [ended]);
    await world.sql('DELETE FROM api_keys WHERE id = $1', [gone]);
    const past = `UPDATE jobs SET held_until = now() - interval '1 second' WHERE id = ANY($1)`;
    await world.sql(past, [[...dead, ...due]]);
    // More than one statement ends.
    const others = await world.sql<{ id: string }>(
      `INSERT INTO jobs SELECT (jsonb_populate_record(jobs, jsonb_build_object('id', gen_random_uuid()))).*
       FROM jobs, generate_series(1, 1000) WHERE id = $1 RETURNING id`,
      [dead[0]],
    );
    dead.push(...others.map(({ id }) => id));
    await world.jobs.promote();
    const sql = `SELECT FROM jobs WHERE id = ANY($1) AND status = 'queued' AND held_until IS NULL`;
    expect(await world.sql(sql, [dead])).toEqual([]);
    await world.jobs.promote();
    for (const id of dead) expect(await world.jobs.find(id)).toMatchObject({ status: 'cancelled', heldUntil: null });
    for (const id of due) expect(await world.jobs.find(id)).toMatchObject({ status: 'queued', heldUntil: null });
  });

  test('of a disabled user is dead', async () => {
    const eve = await world.person('eve');
    const { secret } = await key(eve, 'read');
    await world.sql('UPDATE users SET disabled_at = now() WHERE id = $1', [eve.userId]);
    await expect(world.bearer(secret)).rejects.toMatchObject(refused);
  });

  test('with ADMIN is an administrator’s, and goes with the role', async () => {
    await expect(key(ann, 'admin')).rejects.toMatchObject({ code: 'FORBIDDEN' });
    const chief = await world.person('chief');
    await world.sql(`UPDATE users SET role = 'admin' WHERE id = $1`, [chief.userId]);
    const viewer = { ...chief.viewer, role: 'admin' } as const;
    const made = async (scopes: ApiKeyScope[]) =>
      (await world.apiKeys.create(viewer, { name: 'a', scopes, expiresAt: null, databaseIds: null }, caller)).secret;
    const [whole, alone, less] = [await made(['read', 'admin']), await made(['admin']), await made(['write'])];
    expect(await world.bearer(whole)).toMatchObject({ role: 'admin', key: { scope: 'admin' } });
    // An administrator's key does nothing of an administrator's without the scope.
    expect(await world.bearer(less)).toMatchObject({ role: 'member', key: { scope: 'write' } });
    await world.sql(`UPDATE users SET role = 'member' WHERE id = $1`, [chief.userId]);
    const replica = await world.startReplica();
    expect(await replica.bearer(whole)).toMatchObject({ role: 'member', key: { scope: 'read' } });
    await expect(replica.bearer(alone)).rejects.toMatchObject(refused);
  });

  test('says when it was last used', async () => {
    const replica = await world.startReplica();
    const { apiKey, secret } = await key(ann, 'read');
    await replica.bearer(secret);
    await replica.apiKeys.stop();
    const lastUse = async () => (await world.apiKeys.find(ann.viewer, apiKey.id))?.lastUsedAt;
    const first = await lastUse();
    expect(first).toBeInstanceOf(Date);
    // Another process noted it within the minute.
    const another = await world.startReplica();
    await another.bearer(secret);
    await another.apiKeys.stop();
    expect(await lastUse()).toEqual(first);
  });
});

describe('making one', () => {
  const input = { name: 'k', scopes: ['READ'] };

  test.each([
    ['no scope', { ...input, scopes: [] }, 'input.scopes'],
    ['ANONYMOUS beside another', { ...input, scopes: ['ANONYMOUS', 'READ'] }, 'input.scopes'],
    ['no database', { ...input, databaseIds: [] }, 'input.databaseIds'],
    ['ANONYMOUS and a database', { name: 'k', scopes: ['ANONYMOUS'], databaseIds: ['x'] }, 'input.databaseIds'],
    ['too many databases', { ...input, databaseIds: Array(101).fill('x') }, 'input.databaseIds'],
    ['an end that has passed', { ...input, expiresAt: '2020-01-01T00:00:00Z' }, 'input.expiresAt'],
    ['no name', { ...input, name: ' ' }, 'input.name'],
    ['a name of two lines', { ...input, name: 'a\nb' }, 'input.name'],
  ])('with %s is bad input', async (_what, bad, path) => {
    const { code, details } = await run(ann.viewer, create, { input: bad });
    expect(code).toBe('BAD_USER_INPUT');
    expect(details).toMatchObject({ fields: [{ path }] });
  });

  test('needs somebody who is signed in, and no key', async () => {
    expect((await run(null, create, { input })).code).toBe('UNAUTHENTICATED');
    for (const by of [await viewerOf(admin, 'admin'), await viewerOf(ann, 'write')])
      expect(await run(by, create, { input })).toMatchObject({ code: 'FORBIDDEN', data: null });
    // Also past the graph.
    const by = await viewerOf(admin, 'admin');
    const made = world.apiKeys.create(by, { name: 'k', scopes: ['read'], expiresAt: null, databaseIds: null }, caller);
    await expect(made).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });

  test('is none by a session that ended in the moment, and none that a new password did not end', async () => {
    const [thief, told, gone] = [await world.person(), await world.person(), await world.person()];
    const token = await world.resetToken(thief);
    await using first = await world.begun();
    await first.holdUser(thief.userId);
    const reset = world.accounts.resetPassword({ token, newPassword: 'another horse battery' }, caller);
    await first.untilSomebodyWaits();
    const behind = expect(key(thief, 'write')).rejects.toMatchObject(refused);
    await first.untilSomebodyWaits(2);
    await first.commit();
    await Promise.all([reset, behind]);
    // Nobody has rung: what is remembered of the session says that it lives.
    await world.accounts.authenticate(told.accessToken);
    await world.sql('UPDATE sessions SET revoked_at = now() WHERE user_id = $1', [told.userId]);
    await expect(key(told, 'write')).rejects.toMatchObject(refused);
    await world.sql('DELETE FROM users WHERE id = $1', [gone.userId]);
    await expect(key(gone, 'write')).rejects.toMatchObject(refused);
    const keys = await world.apiKeys.keysOf([thief, told, gone].map(({ userId }) => userId));
    expect([...keys.values()].flat()).toEqual([]);
  });

  test('has a limit that two at once do not pass', async () => {
    const many = await world.person('many');
    await world.sql(
      `INSERT INTO api_keys (id, user_id, name, scopes, secret_hash)
       SELECT gen_random_uuid(), $1, 'k', '{read}', '\\x00' FROM generate_series(1, $2)`,
      [many.userId, maxApiKeys - 1],
    );
    const made = await Promise.allSettled([key(many, 'read'), key(many, 'read')]);
    expect(made.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(made.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'LIMIT_EXCEEDED' } });
  });

  test('keeps some of those that ended, and not all', async () => {
    const many = await world.person('tidy');
    await world.sql(
      `INSERT INTO api_keys (id, user_id, name, scopes, secret_hash, revoked_at)
       SELECT gen_random_uuid(), $1, 'k', '{read}', '\\x00', now() FROM generate_series(1, 150)`,
      [many.userId],
    );
    await key(many, 'read');
    expect((await world.apiKeys.keysOf([many.userId])).get(many.userId)).toHaveLength(101);
  });
});

describe('somebody else’s key', () => {
  let theirs: ApiKey;
  const node = `query ($id: ID!) { node(id: $id) { id ... on ApiKey { ${fields} } } }`;
  const id = () => encodeId('ApiKey', theirs.id);
  beforeAll(async () => {
    theirs = (await key(bob, 'read')).apiKey;
  });

  test('is not there for others, nor for any key', async () => {
    for (const by of [ann.viewer, null, await viewerOf(bob, 'write'), await viewerOf(admin, 'admin')])
      expect((await run(by, node, { id: id() })).data).toEqual({ node: null });
    expect((await run(ann.viewer, revoke, { id: id() })).code).toBe('NOT_FOUND');
    expect((await run(ann.viewer, revoke, { id: encodeId('ApiKey', uuidv7()) })).code).toBe('NOT_FOUND');
    expect((await run(ann.viewer, revoke, { id: encodeId('User', theirs.id) })).code).toBe('NOT_FOUND');
  });

  test('is seen and revoked by an administrator', async () => {
    expect((await run(admin.viewer, node, { id: id() })).data.node).toMatchObject({ prefix: prefixOf(theirs.id) });
    expect((await run(admin.viewer, revoke, { id: id() })).data.revokeApiKey.apiKey.revokedAt).toEqual(
      expect.anything(),
    );
  });
});

describe('what a key may change', () => {
  let schema: GraphQLSchema;
  beforeAll(() => {
    schema = createSchema();
  });

  /** Those that are not refused before anything of them is looked at. */
  async function openTo(scope: ApiKeyScope): Promise<string[]> {
    const viewer = await viewerOf(admin, scope);
    const log = createLog({ level: 'silent', format: 'json' });
    // Where what is refused is written down.
    const services = { auditLog: createAuditLog({ ...world, log }) };
    const open: string[] = [];
    for (const { name, resolve } of Object.values(schema.getMutationType()!.getFields())) {
      try {
        await resolve!({}, {}, { viewer, caller, services }, {} as never);
      } catch (error) {
        const { code, message } = error as { code?: string; message: string };
        const refusal = (code === 'FORBIDDEN' || code === 'READ_ONLY') && message.includes('API key');
        if (!refusal) open.push(name);
      }
    }
    return open;
  }

  test('is nothing of who is anonymous, next to nothing of READ, and never a key, a password or a session', async () => {
    expect(await openTo('anonymous')).toEqual([]);
    expect(await openTo('read')).toEqual(['refreshCatalog']);
    const [query, write, whole] = [await openTo('query'), await openTo('write'), await openTo('admin')];
    expect(query).toEqual(expect.arrayContaining(['refreshCatalog', 'submitQuery', 'exportJob']));
    expect(query).not.toContain('deleteFile');
    expect(write).toEqual(expect.arrayContaining([...query, 'deleteFile', 'createSavedQuery']));
    expect(write).not.toContain('connectDatabase');
    expect(whole).toEqual(expect.arrayContaining([...write, 'connectDatabase', 'addMember', 'updateSettings']));
    for (const name of ['createApiKey', 'revokeApiKey', 'login', 'register', 'refreshSession', 'logout'])
      expect(whole).not.toContain(name);
  });

  test('is told with the scope that it lacks', async () => {
    const settings = 'mutation { updateSettings(input: { maxRows: 10 }) { user { id } } }';
    const lacking = await run(await viewerOf(ann, 'write'), settings);
    expect(lacking).toMatchObject({ code: 'FORBIDDEN', details: { scope: 'ADMIN' } });
    const rename = 'mutation ($id: ID!) { updateProject(input: { id: $id, name: "x" }) { project { id } } }';
    const reading = await run(await viewerOf(ann, 'read'), rename, { id: 'x' });
    expect(reading).toMatchObject({ code: 'READ_ONLY', details: { scope: 'WRITE' } });
    expect((await run(await viewerOf(admin, 'admin'), settings)).errors).toBeUndefined();
  });

  test('is no mutation of those that say nothing of keys', async () => {
    const out = 'mutation { logout(input: { everywhere: true }) { ok } }';
    expect((await run(await viewerOf(admin, 'admin'), out)).code).toBe('FORBIDDEN');
    await world.accounts.authenticate(admin.accessToken);
  });
});

test('a key sees neither the sessions of its user nor the keys', async () => {
  for (const by of [await viewerOf(ann, 'read'), await viewerOf(admin, 'admin')]) {
    const { data, errors } = await run(by, mine);
    expect(errors).toBeUndefined();
    expect(data.viewer).toMatchObject({ email: expect.any(String), sessions: null, apiKeys: null });
    const session = encodeId('Session', by.userId === ann.userId ? ann.viewer.sessionId : admin.viewer.sessionId);
    expect((await run(by, 'query ($id: ID!) { node(id: $id) { id } }', { id: session })).data).toEqual({ node: null });
  }
});

describe('an anonymous key', () => {
  test('is nobody: nothing of its user is there', async () => {
    const project = await world.projects.create(ann.viewer, { name: 'hers' }, caller);
    const by = await viewerOf(ann, 'anonymous');
    expect((await run(by, '{ viewer { id } }')).data).toEqual({ viewer: null });
    expect((await run(by, '{ projects { totalCount } }')).code).toBe('UNAUTHENTICATED');
    expect((await run(by, '{ server { name } }')).errors).toBeUndefined();
    const ids = [encodeId('User', ann.userId), encodeId('Project', project.id)];
    const nodes = await run(by, 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', { ids });
    expect(nodes.data).toEqual({ nodes: [null, null] });
  });
});

describe('what a process knows of keys', () => {
  const live: LiveKey = {
    id: uuidv7(),
    userId: uuidv7(),
    userRole: 'member',
    scopes: ['read'],
    databaseIds: null,
    secretHash: hashOf('x'),
    expiresAt: null,
  };

  function watched() {
    const bus = createBus<Topic>();
    const state = { timeMs: 0, loads: 0, notes: 0, key: live as LiveKey | null, failing: false };
    const keys = createLiveKeys({
      bus,
      elapsedMs: () => state.timeMs,
      load: async () => {
        state.loads += 1;
        return state.key;
      },
      noteUse: async () => {
        state.notes += 1;
        if (state.failing) throw new Error('the database is away');
      },
    });
    return { bus, state, keys };
  }

  test('is less than a second old, and nothing where it was rung about', async () => {
    const { bus, state, keys } = watched();
    await Promise.all([keys.find(live.id), keys.find(live.id)]);
    expect(state.loads).toBe(1);
    state.timeMs = 999;
    state.key = null;
    expect(await keys.find(live.id)).toBeNull();
    state.key = live;
    expect(await keys.find(live.id)).toBe(live);
    state.key = null;
    bus.ring('session.revoked', live.id);
    expect(await keys.find(live.id)).toBeNull();
  });

  test('is written once a minute, and again where it could not be', async () => {
    const { state, keys } = watched();
    state.failing = true;
    keys.used(live.id);
    await keys.stop();
    state.failing = false;
    for (const timeMs of [0, 59_999, 60_000]) {
      state.timeMs = timeMs;
      keys.used(live.id);
    }
    await keys.stop();
    expect(state.notes).toBe(3);
  });
});

test('a key is told apart from all other texts', () => {
  const id = uuidv7();
  const secret = 'A'.repeat(43);
  expect(parseKey(`${prefixOf(id)}.${secret}`)).toEqual({ id, secret });
  for (const text of ['', '.', 'quarry_', prefixOf(id), `${prefixOf(id)}.`, `${prefixOf(id)}.${secret}.`])
    expect(parseKey(text)).toBeNull();
  // The last letter of an id has bits to spare: one id has one form.
  const twin = prefixOf(id).replace(/.$/, (last) => String.fromCharCode(last.charCodeAt(0) + 1));
  expect(parseKey(`${twin}.${secret}`)).toBeNull();
});
