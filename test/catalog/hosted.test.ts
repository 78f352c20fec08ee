/** The catalogue of databases that share Quarry's own server: each tells of itself alone. */
import { expect, test } from 'vitest';
import { createCatalogService } from '../../src/catalog/catalog.ts';
import { asked, createWorld, startTestPlayground } from '../databases/world.ts';

test('a hosted database lists neither the databases nor the roles of others', async () => {
  await using server = await startTestPlayground();
  await using world = await createWorld({ playground: server.playground });
  const catalog = createCatalogService({ databases: world.databases, snapshots: null });
  const [viewer, neighbour] = [await world.person(), await world.person()];
  const make = (owner: typeof viewer) =>
    world.databases.createHosted(owner, { name: 'mine', template: 'empty', projectId: null }, asked());
  const [own, other] = [await make(viewer), await make(neighbour)];

  const request = { viewer, signal: new AbortController().signal };
  expect(await catalog.serverDatabases(request, own.id)).toEqual([own.database]);
  const roles = (await catalog.roles(request, own.id)).map(({ name }) => name);
  expect(roles).toContain(own.user);
  expect(roles).not.toContain(other.user);
  await expect(catalog.schemas(request, other.id, { includeSystem: false })).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('a hosted database gives its statements with the credentials of its own user, and no name of another', async () => {
  await using server = await startTestPlayground();
  await using world = await createWorld({ playground: server.playground });
  const catalog = createCatalogService({ databases: world.databases, snapshots: null });
  const [viewer, neighbour] = [await world.person(), await world.person()];
  const make = (owner: typeof viewer, template: 'empty' | 'makeyourspace') =>
    world.databases.createHosted(owner, { name: 'mine', template, projectId: null }, asked());
  const [own, other] = [await make(viewer, 'makeyourspace'), await make(neighbour, 'empty')];

  const request = { viewer, signal: new AbortController().signal };
  const ddl = await catalog.ddl(request, own.id, {});
  // What a snapshot and the graph read, which no superuser does here.
  const { others, publications } = await catalog.parts(request, own.id);
  expect([others, publications]).toEqual([expect.any(Array), []]);
  const { edges } = await catalog.tables(request, own.id, { search: 'posts' });
  expect(await catalog.tableDetails(request, edges[0]!.node)).toMatchObject({ accessMethod: 'heap', tablespace: null });
  const [column] = await catalog.columns(request, own.id, edges[0]!.node);
  expect(await catalog.columnDetails(request, column!)).toMatchObject({ inherited: false });
  expect((await catalog.roles(request, own.id)).map(({ memberships }) => memberships)).toContain(null);
  expect(ddl).toContain('CREATE TABLE public.posts');
  expect(ddl).not.toContain(other.database);
  expect(ddl).not.toContain(other.user);
  expect(await catalog.diagram(request, own.id, { format: 'MERMAID' })).toContain('public.posts');
  await expect(catalog.ddl(request, other.id, {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
