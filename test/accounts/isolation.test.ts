/**
 * TEN-3: whatever four people do with two teams and what is in them, each may what a small oracle says, and what he sees in
 * lists is that and no more. On the real services and a real database; a failure prints its seed and the shortest way to it.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProjectRole } from '../../src/accounts/policy.ts';
import { createDatabaseAccess } from '../../src/databases/access.ts';
import { createDatabaseStore } from '../../src/databases/store.ts';
import { AppError } from '../../src/lib/errors.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createBucketAccess } from '../../src/storage/files/access.ts';
import { createBuckets } from '../../src/storage/files/buckets.ts';
import { createFileStore } from '../../src/storage/files/store.ts';
import { caller, createWorld, type World } from './world.ts';

/** CI does a part of it; ISOLATION_SCALE=full is a thousand runs of 300 operations, and ISOLATION_RUNS takes those in pieces. */
const full = process.env.ISOLATION_SCALE === 'full';
const operations = full ? { least: 300, most: 300 } : { least: 15, most: 60 };
const runs = Number(process.env.ISOLATION_RUNS ?? (full ? 1_000 : 25));
const seed = Number(process.env.ISOLATION_SEED ?? Math.floor(Math.random() * 2 ** 31));

type Person = Awaited<ReturnType<World['person']>>;
let world: World;
/** The first account of all is the administrator. */
let people: Person[];
let services: ReturnType<typeof servicesOf>;

beforeAll(async () => {
  world = await createWorld();
  people = [];
  for (const name of ['admin', 'a', 'b', 'c']) people.push(await world.person(name));
  services = servicesOf(world);
});
afterAll(() => world?.[Symbol.asyncDispose]());

function servicesOf({ pool, prisma, projects, access }: World) {
  const files = createFileStore({ db: pool, prisma });
  const bucketAccess = createBucketAccess({ store: files });
  return {
    projects,
    databases: createDatabaseAccess({ store: createDatabaseStore({ db: pool, prisma }) }),
    bucketAccess,
    buckets: createBuckets({ pool, store: files, access: bucketAccess, projects: access }),
  };
}

const databaseActions = ['see', 'read', 'query', 'write', 'activity', 'manage'] as const;
const bucketActions = ['see', 'export', 'write', 'manage'] as const;

// ─── the oracle: nothing of the product's ───

interface Team {
  readonly id: string;
  /** By person, in the order of their coming. */
  readonly members: Map<number, { id: string; role: ProjectRole }>;
}
interface Thing {
  readonly kind: 'database' | 'bucket';
  readonly id: string;
  owner: number;
  team: Team | null;
}
interface Model {
  readonly teams: Team[];
  readonly things: Thing[];
}
const maxThings = 10;
/** So often everybody is held against everything. */
const comparedEvery = 60;

const roleIn = (team: Team | null, person: number) => team?.members.get(person)?.role;
const owners = (team: Team) => [...team.members.values()].filter(({ role }) => role === 'owner').length;
const isAdmin = (person: number) => person === 0;

function mayDo({ kind, owner, team }: Thing, person: number): readonly string[] {
  if (kind === 'database') {
    if (owner === person || roleIn(team, person) === 'owner') return databaseActions;
    if (roleIn(team, person) === 'editor') return ['see', 'read', 'query', 'write', 'activity'];
    return roleIn(team, person) === 'viewer' ? ['see', 'read', 'query'] : [];
  }
  if (isAdmin(person) || roleIn(team, person) === 'owner' || (!team && owner === person)) return bucketActions;
  if (roleIn(team, person) === 'editor') return ['see', 'export', 'write'];
  return roleIn(team, person) === 'viewer' ? ['see'] : [];
}

/** What somebody is told who wants to do what only owners of a team may. */
function managing(team: Team, person: number): 'ok' | 'NOT_FOUND' | 'FORBIDDEN' {
  const role = roleIn(team, person);
  if (!role) return 'NOT_FOUND';
  return role === 'owner' ? 'ok' : 'FORBIDDEN';
}

/** What becomes of its things: each keeps its owner, but for a bucket whose owner had left. */
function dissolve({ teams, things }: Model, team: Team): void {
  const heir = [...team.members].find(([, { role }]) => role === 'owner')?.[0];
  for (const thing of things.filter((each) => each.team === team)) {
    if (thing.kind === 'bucket' && !team.members.has(thing.owner)) thing.owner = heir!;
    thing.team = null;
  }
  teams.splice(teams.indexOf(team), 1);
}

// ─── what people do ───

const what = [
  'make',
  'make',
  'add',
  'add',
  'add',
  'change',
  'remove',
  'dissolve',
  'database',
  'bucket',
  'drop',
] as const;
const steps = fc.array(
  fc.record({
    what: fc.constantFrom(...what),
    actor: fc.nat(3),
    team: fc.nat(1),
    who: fc.nat(3),
    role: fc.constantFrom<ProjectRole>('owner', 'editor', 'viewer'),
    thing: fc.nat(9),
    own: fc.boolean(),
  }),
  { minLength: operations.least, maxLength: operations.most },
);
type Step = (typeof steps extends fc.Arbitrary<infer S> ? S : never)[number];

async function told<T>(work: Promise<T>): Promise<{ code: string; value: T | null }> {
  try {
    return { code: 'ok', value: await work };
  } catch (error) {
    if (error instanceof AppError) return { code: error.code, value: null };
    throw error;
  }
}

/** Does it, and holds what was told against the oracle. */
async function take(model: Model, { what, actor, who, role, own, ...step }: Step): Promise<void> {
  const { projects, buckets } = services;
  const { viewer } = people[actor]!;
  const team = model.teams[step.team];
  const member = team?.members.get(who);
  if (what === 'make') {
    if (model.teams.length === 2) return;
    const { id } = await projects.create(viewer, { name: 'team' }, caller);
    const [row] = await world.sql<{ id: string }>('SELECT id FROM project_members WHERE project_id = $1', [id]);
    model.teams.push({ id, members: new Map([[actor, { id: row!.id, role: 'owner' }]]) });
  } else if (what === 'add' && team) {
    const { code, value } = await told(
      projects.addMember(viewer, { projectId: team.id, email: people[who]!.email, role }, caller),
    );
    const may = managing(team, actor);
    expect(code).toBe(may === 'ok' && member ? 'CONFLICT' : may);
    if (value) team.members.set(who, { id: value.id, role });
  } else if (what === 'change' && team && member) {
    const { code } = await told(projects.updateMember(viewer, member.id, role, caller));
    const may = managing(team, actor);
    const last = member.role === 'owner' && role !== 'owner' && owners(team) === 1;
    expect(code).toBe(may === 'ok' && last ? 'CONFLICT' : may);
    if (code === 'ok') member.role = role;
  } else if (what === 'remove' && team && member) {
    const { code } = await told(projects.removeMember(viewer, member.id, caller));
    const may = actor === who ? 'ok' : managing(team, actor);
    expect(code).toBe(may === 'ok' && member.role === 'owner' && owners(team) === 1 ? 'CONFLICT' : may);
    if (code === 'ok') team.members.delete(who);
  } else if (what === 'dissolve' && team) {
    const { code } = await told(projects.delete(viewer, team.id, caller));
    expect(code).toBe(managing(team, actor));
    if (code === 'ok') dissolve(model, team);
  } else if ((what === 'bucket' || what === 'database') && model.things.length === maxThings) {
    return;
  } else if (what === 'bucket') {
    const into = own ? null : (team ?? null);
    const { code, value } = await told(
      buckets.create(viewer, { name: `b-${uuidv7()}`, projectId: into?.id ?? null, public: false }, caller),
    );
    const inTeam = into && roleIn(into, actor);
    expect(code).toBe(!into || inTeam === 'owner' || inTeam === 'editor' ? 'ok' : inTeam ? 'FORBIDDEN' : 'NOT_FOUND');
    if (value) model.things.push({ kind: 'bucket', id: value.id, owner: actor, team: into });
  } else if (what === 'database') {
    // Past the service, which would look for a server there.
    const into = !own && team && ['owner', 'editor'].includes(roleIn(team, actor) ?? '') ? team : null;
    const id = uuidv7();
    await world.sql(
      `INSERT INTO databases (id, name, owner_id, project_id, engine, host, port, database_name, username, ssl_mode,
         sealed_password, allow_insecure_authentication, read_only, hosted, system, capabilities, updated_at)
       VALUES ($1, 'd', $2, $3, 'postgresql', 'h', 1, 'd', 'u', 'REQUIRE', '', false, false, false, false, '{}', now())`,
      [id, viewer.userId, into?.id ?? null],
    );
    model.things.push({ kind: 'database', id, owner: actor, team: into });
  } else if (what === 'drop') {
    const thing = model.things[step.thing];
    if (thing?.kind === 'database') {
      await world.sql('DELETE FROM databases WHERE id = $1', [thing.id]);
      model.things.splice(step.thing, 1);
    }
    if (thing?.kind !== 'bucket') return;
    const { code } = await told(buckets.delete(viewer, thing.id, { force: false }, caller));
    const may = mayDo(thing, actor);
    expect(code).toBe(may.includes('manage') ? 'ok' : may.includes('see') ? 'FORBIDDEN' : 'NOT_FOUND');
    if (code === 'ok') model.things.splice(step.thing, 1);
  }
}

/** Everybody against everything. */
async function compare({ teams, things }: Model): Promise<void> {
  const { projects, databases, buckets, bucketAccess } = services;
  for (const [person, { viewer }] of people.entries()) {
    for (const thing of things) {
      const may = mayDo(thing, person);
      const actions = thing.kind === 'database' ? databaseActions : bucketActions;
      const answers = await Promise.all(
        actions.map((action) =>
          told<unknown>(
            thing.kind === 'database'
              ? databases.requireDatabase(viewer, `database:${action}` as 'database:see', thing.id)
              : bucketAccess.requireBucket(viewer, `bucket:${action}` as 'bucket:see', thing.id),
          ),
        ),
      );
      const expected = actions.map((action) => {
        if (may.includes(action)) return 'ok';
        return may.length > 0 ? 'FORBIDDEN' : 'NOT_FOUND';
      });
      expect({ person, thing: thing.kind, answers: answers.map(({ code }) => code) }).toEqual({
        person,
        thing: thing.kind,
        answers: expected,
      });
    }
    // An administrator, too, lists but his own and his teams'.
    const seen = (kind: Thing['kind']) =>
      things
        .filter((each) => each.kind === kind && (roleIn(each.team, person) || each.owner === person))
        .filter((each) => each.kind === 'database' || !each.team || roleIn(each.team, person))
        .map(({ id }) => id);
    const listed = await databases.seen(viewer, { ids: null, limit: 1_000 });
    expect(new Set(listed.map(({ id }) => id))).toEqual(new Set(seen('database')));
    const inBuckets = await buckets.list(viewer, { projectId: null, first: 500 } as never);
    expect(new Set(inBuckets.edges.map(({ node }) => node.id))).toEqual(new Set(seen('bucket')));
    for (const team of teams) expect((await projects.find(viewer, team.id)) !== null).toBe(team.members.has(person));
  }
}

test('whatever was done, each may what an oracle says', async () => {
  let taken = 0;
  await fc.assert(
    fc
      .asyncProperty(steps, async (all) => {
        const model: Model = { teams: [], things: [] };
        for (const [done, step] of all.entries()) {
          if (done % comparedEvery === comparedEvery - 1) await compare(model);
          await take(model, step);
        }
        taken += all.length;
        await compare(model);
      })
      .beforeEach(async () => {
        for (const table of ['buckets', 'databases', 'projects']) await world.sql(`DELETE FROM ${table}`);
      }),
    { seed, numRuns: runs, endOnFailure: false },
  );
  console.log(`TEN-3 runs=${runs} steps=${taken} violations=0 seed=${seed}`);
}, 7_200_000);
