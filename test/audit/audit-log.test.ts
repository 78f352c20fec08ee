/** Who reads what of the audit, in pages and as a whole. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nobody } from '../../src/accounts/viewer.ts';
import { record } from '../../src/audit/audit.ts';
import { createAuditLog } from '../../src/audit/audit-log.ts';
import { encodeId, uuidv7 } from '../../src/lib/ids.ts';
import { createLog, type Log } from '../../src/lib/log.ts';
import { createGraph } from '../accounts/graph.ts';
import { caller, createWorld, type World } from '../accounts/world.ts';

type Person = Awaited<ReturnType<World['person']>>;

let world: World;
let graph: ReturnType<typeof createGraph>;
let admin: Person;
let ann: Person;
let ben: Person;

const document = `query ($actorId: ID, $action: String, $since: DateTime, $first: Int, $after: String) {
  auditLog(actorId: $actorId, action: $action, since: $since, first: $first, after: $after) {
    totalCount pageInfo { hasNextPage endCursor } nodes { id action actor { id } subject outcome ipAddress details createdAt }
  }
}`;
const ask = async (person: Person | null, variables: Record<string, unknown> = {}) =>
  graph(person?.viewer ?? null, document, variables);

beforeAll(async () => {
  world = await createWorld();
  graph = createGraph(world);
  admin = await world.person('admin');
  ann = await world.person('ann');
  ben = await world.person('ben');
  for (const name of ['one', 'two']) await world.projects.create(ann.viewer, { name }, caller);
  await world.projects.create(ben.viewer, { name: 'three' }, caller);
});

afterAll(() => world?.[Symbol.asyncDispose]());

const linesOf = async (person: Person, filter = {}) => {
  const auditLog = createAuditLog({ ...world, log: createLog({ level: 'silent', format: 'json' }) });
  const asked = { caller, signal: new AbortController().signal };
  const chunks = await Array.fromAsync(auditLog.export(person.viewer, filter, asked));
  return chunks
    .join('')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
};

test('everybody sees what he did himself, newest first, and nothing else', async () => {
  const { data } = await ask(ann);
  expect(data.auditLog.totalCount).toBe(3);
  expect(data.auditLog.nodes).toMatchObject([
    { action: 'project.created', details: { name: 'two' }, outcome: 'success', ipAddress: caller.ipAddress },
    { action: 'project.created', details: { name: 'one' }, actor: { id: encodeId('User', ann.userId) } },
    { action: 'user.registered', subject: encodeId('User', ann.userId) },
  ]);
  const { id } = data.auditLog.nodes[0];
  const nodeOf = (person: Person | null) =>
    graph(person?.viewer ?? null, 'query ($id: ID!) { node(id: $id) { id } }', { id });
  expect((await nodeOf(ann)).data.node).toEqual({ id });
  expect((await nodeOf(admin)).data.node).toEqual({ id });
  expect((await nodeOf(ben)).data.node).toBeNull();
  expect((await nodeOf(null)).data.node).toBeNull();
});

test('administrators see all of it, by actor, action and time', async () => {
  expect((await ask(admin)).data.auditLog.totalCount).toBe(6);
  const of = async (variables: object) => (await ask(admin, { ...variables })).data.auditLog.totalCount;
  expect(await of({ actorId: encodeId('User', ann.userId) })).toBe(3);
  expect(await of({ action: 'project.created' })).toBe(3);
  expect(await of({ actorId: encodeId('User', ben.userId), action: 'project.created' })).toBe(1);
  expect(await of({ action: 'project.created', since: '2999-01-01T00:00:00Z' })).toBe(0);
  expect(await of({ since: '2000-01-01T00:00:00Z' })).toBe(6);
  expect(await of({ actorId: encodeId('User', uuidv7()) })).toBe(0);
});

test('pages go through all of it once', async () => {
  const seen: string[] = [];
  for (let after: string | null = null, more = true; more; ) {
    const { data } = await ask(admin, { first: 4, after });
    seen.push(...data.auditLog.nodes.map(({ id }: { id: string }) => id));
    ({ endCursor: after, hasNextPage: more } = data.auditLog.pageInfo);
  }
  expect(seen).toHaveLength(6);
  expect(new Set(seen).size).toBe(6);
});

test('another’s actions, no account, and what is no filter are refused', async () => {
  expect((await ask(ann, { actorId: encodeId('User', ben.userId) })).code).toBe('FORBIDDEN');
  expect((await ask(null)).code).toBe('UNAUTHENTICATED');
  expect((await ask(admin, { actorId: 'nobody' })).code).toBe('NOT_FOUND');
  expect((await ask(admin, { action: 'a\0b' })).code).toBe('BAD_USER_INPUT');
  expect((await ask(admin, { after: 'xyz' })).code).toBe('BAD_USER_INPUT');
});

test('what a deleted user did stays, without him', async () => {
  const gone = await world.person('gone');
  await world.sql('DELETE FROM users WHERE id = $1', [gone.userId]);
  const { data } = await ask(admin, { actorId: encodeId('User', gone.userId) });
  expect(data.auditLog.nodes).toMatchObject([{ action: 'user.registered', actor: null }]);
});

test('the export has every entry in the order of the chain, and whether that is whole', async () => {
  const lines = await linesOf(admin);
  const verdict = lines.pop();
  expect(lines.map(({ position }) => position)).toEqual(lines.map((_, index) => index + 1));
  expect(lines[0]).toMatchObject({
    action: 'user.registered',
    actor: encodeId('User', admin.userId),
    userAgent: caller.userAgent,
    previous: '0'.repeat(64),
  });
  expect(lines.at(-1)).toMatchObject({ action: 'audit.exported', hash: verdict.verdict.head.hash });
  expect(verdict).toMatchObject({ verdict: { entries: lines.length, faults: [], complete: true } });
});

test('others export their own, and administrators a part', async () => {
  const lines = await linesOf(ann);
  expect(new Set(lines.map(({ actor }) => actor))).toEqual(new Set([encodeId('User', ann.userId)]));
  const part = await linesOf(admin, { action: 'project.created' });
  expect(part.map(({ details }) => details.name)).toEqual(['one', 'two', 'three']);
  await expect(linesOf(ann, { actorId: ben.userId })).rejects.toMatchObject({ code: 'FORBIDDEN' });
});

test('a browser’s whole name is not kept', async () => {
  const event = { actorId: ann.userId, action: 'session.ended', subject: null, outcome: 'success' } as const;
  await record(world.pool, { ...event, caller: { ...nobody, userAgent: 'x'.repeat(5_000) } });
  expect((await world.auditOf('session.ended')).at(-1).user_agent).toBe('x'.repeat(300));
});

describe('what was refused', () => {
  const log = createLog({ level: 'silent', format: 'json' });
  const maxRefusals = 5;
  const replicas = () => [1, 2].map(() => createAuditLog({ ...world, log, maxRefusals }));
  const refusalOf = (viewer: Person['viewer'] | null, from = caller) => ({
    viewer,
    caller: from,
    subject: null,
    details: { mutation: 'deleteProject', code: 'NOT_FOUND' },
  });
  const written = async (actorId: string | null, action: string) =>
    (await world.auditOf(action)).filter(({ actor_id }) => actor_id === actorId);

  test('to one account is written down so often, over replicas and at once, and then once that there is more', async () => {
    const logs = replicas();
    await Promise.all(Array.from({ length: 40 }, (_, n) => logs[n % 2]!.refused(refusalOf(ann.viewer))));
    expect(await written(ann.userId, 'access.refused')).toHaveLength(maxRefusals);
    expect(await written(ann.userId, 'access.refusals_limited')).toMatchObject([
      { outcome: 'refused', subject: null, details: { limit: maxRefusals, forMs: expect.any(Number) } },
    ]);
    // Of what came too often of his sessions, nothing of his keys is left out.
    const key = { id: uuidv7(), scope: 'write' } as const;
    await logs[0]!.refused(refusalOf({ ...ann.viewer, key }));
    expect(await written(ann.userId, 'access.refused')).toHaveLength(maxRefusals + 1);
    await logs[0]!.refused(refusalOf(ben.viewer));
    expect(await written(ben.userId, 'access.refused')).toHaveLength(1);
  });

  test('and is left out is in the log, each by itself', async () => {
    const left: unknown[] = [];
    const told = { info: (fields: object, event: string) => left.push([event, fields]) } as unknown as Log;
    const auditLog = createAuditLog({ ...world, log: told, maxRefusals });
    const person = await world.person('often');
    for (let n = 0; n < maxRefusals + 3; n += 1) await auditLog.refused(refusalOf(person.viewer));
    const fields = { actorId: person.userId, outcome: 'refused', mutation: 'deleteProject', code: 'NOT_FOUND' };
    expect(left).toEqual(Array(3).fill(['audit.refusal_left_out', expect.objectContaining(fields)]));
  });

  test('to nobody is counted by the network that it came from', async () => {
    const [one] = replicas();
    for (let n = 0; n < 20; n += 1) await one!.refused(refusalOf(null, { ...caller, ipAddress: `2001:db8:9::${n}` }));
    const entries = (await written(null, 'access.refused')).filter(({ ip_address }) =>
      ip_address?.startsWith('2001:db8:9'),
    );
    expect(entries).toHaveLength(maxRefusals);
    await one!.refused(refusalOf(null, { ...caller, ipAddress: '203.0.113.77' }));
    expect((await written(null, 'access.refused')).at(-1).ip_address).toBe('203.0.113.77');
  });

  test('is written down again when the time is over, also by who has just started', async () => {
    await world.sql('UPDATE rate_limits SET expire = 0');
    const [fresh] = replicas();
    const before = (await written(ann.userId, 'access.refused')).length;
    await fresh!.refused(refusalOf(ann.viewer));
    expect(await written(ann.userId, 'access.refused')).toHaveLength(before + 1);
  });
});
