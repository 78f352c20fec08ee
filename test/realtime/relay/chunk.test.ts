/** Events as the bytes that processes give each other: what comes out is what went in, and only where it belongs. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { ChangedTable, FeedEvent } from '../../../src/engines/changes.ts';
import { createChunkDecoder, createChunkEncoder, openChunk, sealChunk } from '../../../src/realtime/relay/chunk.ts';
import { source } from '../../engines/postgresql/feed/support.ts';

const columns = (types: readonly (readonly [type: string, coding: string | null])[]) =>
  types.map(([dataType, coding], place) => ({
    name: `c${place}`,
    dataType,
    coding,
    decode: coding === null ? null : source.decoderOf(coding),
  }));
const table: ChangedTable = {
  id: '1',
  schema: 'public',
  name: 'tåble',
  columns: columns([
    ['integer', '[23]'],
    ['text', null],
    ['integer[]', '[0,{"element":23,"delimiter":","}]'],
  ]),
  key: [0],
  identity: [0],
  old: 'IDENTITY',
};
const other: ChangedTable = { ...table, id: '2', old: 'WHOLE' };

const events: FeedEvent[] = [
  { type: 'begin', transactionId: '7', committedAt: new Date(1_700_000_000_123), position: '01' },
  { type: 'insert', place: 1, table, new: ['1', '0', '{1,NULL}'] },
  { type: 'update', place: 2, table, old: null, new: ['1', undefined, null] },
  { type: 'update', place: 3, table: other, old: ['1', 'a"\\\n\u0001', null], new: ['2', '', null] },
  { type: 'delete', place: 4, table, old: ['1', undefined, undefined] },
  { type: 'truncate', place: 5, tables: [table, other] },
  { type: 'commit', position: '01' },
  { type: 'coverage', tableId: '1', coverage: 'INSERTS', reason: 'it has no key' },
  { type: 'schema' },
];

function packed(of: readonly FeedEvent[], encoder = createChunkEncoder()): string {
  for (const event of of) encoder.add(event);
  return encoder.take();
}

/** Decoders are made anew: of those only what they make can be the same. */
const plain = (of: readonly FeedEvent[]) => JSON.parse(JSON.stringify(of, (_, value) => value ?? String(value)));

test('events come out as they went in, each text and what is not told', () => {
  const decoded = createChunkDecoder(source)(packed(events));
  expect(plain(decoded)).toEqual(plain(events));
  expect(decoded[2]).toHaveProperty('new', ['1', undefined, null]);
});

test('values are decoded as in the process that heard them', () => {
  const [, insert] = createChunkDecoder(source)(packed(events));
  const { table: shape, new: row } = insert as Extract<FeedEvent, { type: 'insert' }>;
  expect(shape.columns.map(({ decode }, place) => decode?.(row[place]!) ?? row[place])).toEqual([1, '0', [1, null]]);
});

test('a shape is one object for as long as it does not change, also over chunks, and each chunk can be the first', () => {
  const encoder = createChunkEncoder();
  const [first, second] = [packed(events, encoder), packed(events.slice(1, 3), encoder)];
  const decode = createChunkDecoder(source);
  const told = [...decode(first), ...decode(second)].flatMap((event) => ('table' in event ? [event.table] : []));
  expect(new Set(told).size).toBe(2);
  expect(plain(createChunkDecoder(source)(second))).toEqual(plain(events.slice(1, 3)));
});

test('a chunk opens with its key and in its place alone, and not when a bit of it has changed', async () => {
  const key = randomBytes(32);
  const place = { databaseId: 'd', epoch: 'e', number: 3 };
  const sealed = await sealChunk('text', key, place);
  expect(await openChunk(sealed, key, place)).toBe('text');
  await expect(openChunk(sealed, randomBytes(32), place)).rejects.toThrow();
  for (const elsewhere of [{ databaseId: 'x' }, { epoch: 'x' }, { number: 4 }])
    await expect(openChunk(sealed, key, { ...place, ...elsewhere })).rejects.toThrow();
  sealed[20]! ^= 1;
  await expect(openChunk(sealed, key, place)).rejects.toThrow();
});
