/** Indexes in memory: which are kept, which go, and what a search is told while one is made. */
import { afterEach, expect, test } from 'vitest';
import { createIndexes, type Indexes, type IndexLimits, type Wanted } from '../../../src/catalog/search/indexes.ts';
import { packSnapshot } from '../../../src/catalog/snapshots/content.ts';
import { AppError } from '../../../src/lib/errors.ts';
import { silent } from '../../support/metadata.ts';
import { catalogue } from './catalogue.ts';

const forever = new AbortController().signal;
const never = 2 ** 30;
const opened: Indexes[] = [];
afterEach(async () => {
  for (const indexes of opened.splice(0)) await indexes.stop();
});

const contentOf = async (tables: number): Promise<Buffer> =>
  (
    await packSnapshot(
      catalogue({ schemas: [{ name: 's', tables: Array.from({ length: tables }, (_, n) => `t${n}`) }] }),
    )
  ).content;

/** What is kept of each database, how often it was asked for, and whether it comes before it is let go. */
function world(limits: Partial<IndexLimits> = {}) {
  const contents = new Map<string, Buffer | Error>();
  const asked: string[] = [];
  const held = new Map<string, { reached: () => void; released: Promise<void> }>();
  const indexes = createIndexes({
    snapshots: {
      async content(databaseId, version) {
        const key = `${databaseId} ${version}`;
        asked.push(key);
        held.get(key)?.reached();
        await held.get(key)?.released;
        const content = contents.get(key) ?? null;
        if (content instanceof Error) throw content;
        return content;
      },
    },
    log: silent,
    limits: { firstWaitMs: never, newerWaitMs: never, ...limits },
  });
  opened.push(indexes);
  return {
    indexes,
    contents,
    asked,
    /** From here on whoever asks for it waits until `release`; `reached` when somebody does. */
    hold(databaseId: string, version: string) {
      const [reached, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
      held.set(`${databaseId} ${version}`, { reached: reached.resolve, released: released.promise });
      return { reached: reached.promise, release: released.resolve };
    },
  };
}

const wanted = (databaseId: string, version: string | null = '1'): Wanted => ({
  databaseId,
  databaseName: databaseId,
  version,
});

/** A database alone is one object; a schema and its tables are the others. */
const sizeOf = ([index]: Awaited<ReturnType<Indexes['of']>>): number => index!.kinds.length;

test('the ones that were searched longest ago go when there is no room, and are made again', async () => {
  const { indexes: measured, contents: first } = world();
  first.set('a 1', await contentOf(50));
  await measured.of([wanted('a')], forever);
  const { indexes, contents, asked } = world({ maxBytes: measured.bytes() * 2.5 });
  for (const name of ['a', 'b', 'c']) contents.set(`${name} 1`, await contentOf(50));
  await indexes.of([wanted('a')], forever);
  await indexes.of([wanted('b')], forever);
  await indexes.of([wanted('a')], forever);
  await indexes.of([wanted('c')], forever);
  expect(indexes.bytes()).toBeLessThanOrEqual(measured.bytes() * 2.5);
  expect(asked).toEqual(['a 1', 'b 1', 'c 1']);
  await indexes.of([wanted('a')], forever);
  expect(asked).toEqual(['a 1', 'b 1', 'c 1']);
  expect(sizeOf(await indexes.of([wanted('b')], forever))).toBe(52);
  expect(asked).toEqual(['a 1', 'b 1', 'c 1', 'b 1']);
});

test('more than there is room for at once is refused, with how much it is', async () => {
  const { indexes: measured, contents: first } = world();
  first.set('a 1', await contentOf(50));
  await measured.of([wanted('a')], forever);
  const limit = Math.round(measured.bytes() * 1.5);
  const { indexes, contents } = world({ maxBytes: limit });
  for (const name of ['a', 'b']) contents.set(`${name} 1`, await contentOf(50));
  const refused = indexes.of([wanted('a'), wanted('b')], forever);
  await expect(refused).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED', details: { limit } });
  expect(indexes.bytes()).toBeLessThanOrEqual(limit);
  expect(await indexes.of([wanted('a')], forever)).toHaveLength(1);
});

test('a first search that waits too long is told how far it is, and one that comes later is answered', async () => {
  const { indexes, contents, hold, asked } = world({ firstWaitMs: 1 });
  for (const name of ['a', 'b']) contents.set(`${name} 1`, await contentOf(2));
  const { reached, release } = hold('a', '1');
  const early = indexes.of([wanted('a'), wanted('b')], forever);
  await reached;
  await expect(early).rejects.toMatchObject({ code: 'TIMEOUT', details: { ready: 0, databases: 2 } });
  release();
  for (;;) {
    const found = await indexes.of([wanted('a'), wanted('b')], forever).catch((error: unknown) => error);
    if (!(found instanceof AppError)) {
      expect(found).toHaveLength(2);
      break;
    }
    expect(found.code).toBe('TIMEOUT');
  }
  // What was begun is what was waited for.
  expect(asked).toEqual(['a 1', 'b 1']);
});

test('a catalogue that changed is searched as it was until the new one is made', async () => {
  const { indexes, contents, hold } = world({ newerWaitMs: 1 });
  contents.set('a 1', await contentOf(1)).set('a 2', await contentOf(2));
  expect(sizeOf(await indexes.of([wanted('a')], forever))).toBe(3);
  const { release } = hold('a', '2');
  expect(sizeOf(await indexes.of([wanted('a', '2')], forever))).toBe(3);
  release();
  while (sizeOf(await indexes.of([wanted('a', '2')], forever)) === 3);
  expect(sizeOf(await indexes.of([wanted('a', '2')], forever))).toBe(4);
});

test('several who want one wait for one, and who leaves takes it from nobody', async () => {
  const { indexes, contents, hold, asked } = world();
  contents.set('a 1', await contentOf(1));
  const { reached, release } = hold('a', '1');
  const leaving = new AbortController();
  const [left, stayed] = [indexes.of([wanted('a')], leaving.signal), indexes.of([wanted('a')], forever)];
  await reached;
  leaving.abort(new Error('left'));
  await expect(left).rejects.toThrow('left');
  release();
  expect(sizeOf(await stayed)).toBe(3);
  expect(asked).toEqual(['a 1']);
});

test('one that was never read, is gone, or cannot be understood is found by its name; where the metadata fail, so does the search', async () => {
  const { indexes, contents } = world();
  contents.set('broken 1', Buffer.from('nothing')).set('away 1', new AppError('CONNECTION_FAILED', 'away'));
  expect(sizeOf(await indexes.of([wanted('unread', null)], forever))).toBe(1);
  expect(sizeOf(await indexes.of([wanted('gone')], forever))).toBe(1);
  expect(sizeOf(await indexes.of([wanted('broken')], forever))).toBe(1);
  await expect(indexes.of([wanted('away')], forever)).rejects.toMatchObject({ code: 'CONNECTION_FAILED' });
  // It is no state to stay in.
  contents.set('away 1', await contentOf(1));
  expect(sizeOf(await indexes.of([wanted('away')], forever))).toBe(3);
});
