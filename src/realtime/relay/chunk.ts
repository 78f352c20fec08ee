/**
 * Events of a feed as the bytes that other processes read: JSON under zstd, sealed with a key of the feed. Each chunk can be
 * read by itself: it has the shapes of the tables that are in it, which are one object each for whoever reads several.
 */
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import type { ChangedRow, ChangedTable, ChangeSource, Coverage, FeedEvent } from '../../engines/changes.ts';
import { decrypt, encrypt } from '../../lib/keyring.ts';

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** The fastest: rows are read once, a moment later. */
const level = 1;
/** A message of a target is 64 MiB at the most, and JSON may write each of its letters as two, old row and new one. */
const maxTextBytes = 512 * 2 ** 20;
/** Shapes of one feed that a reader remembers: one that is forgotten is another object when it comes again. */
const maxShapes = 10_000;

/** In the place of a value that is not told: a text is never a number. */
const notTold = 0;
type PackedRow = (string | null | typeof notTold)[];

type PackedEvent =
  | ['b', transactionId: string, committedAtMs: number, position: string]
  | ['i', place: number, shape: number, row: PackedRow]
  | ['u', place: number, shape: number, old: PackedRow | null, row: PackedRow]
  | ['d', place: number, shape: number, old: PackedRow]
  | ['t', place: number, ...shapes: number[]]
  | ['c', position: string]
  | ['a', position: string]
  | ['v', tableId: string, coverage: Coverage, reason: string | null]
  | ['g', tableId: string, reason: string]
  | ['s'];

type PackedShape = Omit<ChangedTable, 'columns'> & { readonly columns: [string, string, string | null][] };

export interface ChunkEncoder {
  add(event: FeedEvent): void;
  /** Of the text so far, about. */
  readonly size: number;
  /** The text of all since the last call. */
  take(): string;
}

export function createChunkEncoder(): ChunkEncoder {
  const numbers = new WeakMap<ChangedTable, number>();
  let last = 0;
  let shapes = new Map<number, ChangedTable>();
  let events: string[] = [];
  let size = 0;

  function numberOf(table: ChangedTable): number {
    const number = numbers.get(table) ?? ++last;
    numbers.set(table, number);
    shapes.set(number, table);
    return number;
  }

  return {
    add(event) {
      const text = JSON.stringify(packed(event, numberOf));
      events.push(text);
      size += text.length;
    },
    get size() {
      return size;
    },
    take() {
      const known = JSON.stringify([...shapes].map(([number, table]) => [number, packedShape(table)]));
      const text = `[${known},[${events.join(',')}]]`;
      shapes = new Map();
      events = [];
      size = 0;
      return text;
    },
  };
}

/** @throws Error for a text that ChunkEncoder.take() did not make */
export function createChunkDecoder({ decoderOf }: Pick<ChangeSource, 'decoderOf'>): (text: string) => FeedEvent[] {
  const shapes = new Map<number, ChangedTable>();
  const decoders = new Map<string, ReturnType<typeof decoderOf>>();

  function decoder(coding: string | null): ReturnType<typeof decoderOf> | null {
    if (coding === null) return null;
    const known = decoders.get(coding) ?? decoderOf(coding);
    decoders.set(coding, known);
    return known;
  }

  function learn(number: number, { columns, ...shape }: PackedShape): void {
    if (shapes.has(number)) return;
    const [oldest] = shapes.keys();
    if (shapes.size >= maxShapes && oldest !== undefined) shapes.delete(oldest);
    shapes.set(number, {
      ...shape,
      columns: columns.map(([name, dataType, coding]) => ({ name, dataType, coding, decode: decoder(coding) })),
    });
  }

  return (text) => {
    const [known, events] = JSON.parse(text) as [[number, PackedShape][], PackedEvent[]];
    for (const [number, shape] of known) learn(number, shape);
    return events.map((event) => unpacked(event, (number) => shapes.get(number)!));
  };
}

function packed(event: FeedEvent, numberOf: (table: ChangedTable) => number): PackedEvent {
  switch (event.type) {
    case 'begin':
      return ['b', event.transactionId, event.committedAt.getTime(), event.position];
    case 'insert':
      return ['i', event.place, numberOf(event.table), packedRow(event.new)];
    case 'update':
      return ['u', event.place, numberOf(event.table), event.old && packedRow(event.old), packedRow(event.new)];
    case 'delete':
      return ['d', event.place, numberOf(event.table), packedRow(event.old)];
    case 'truncate':
      return ['t', event.place, ...event.tables.map(numberOf)];
    case 'commit':
      return ['c', event.position];
    case 'alive':
      return ['a', event.position];
    case 'coverage':
      return ['v', event.tableId, event.coverage, event.reason];
    case 'gap':
      return ['g', event.tableId, event.reason];
    case 'schema':
      return ['s'];
  }
}

function unpacked(event: PackedEvent, table: (shape: number) => ChangedTable): FeedEvent {
  switch (event[0]) {
    case 'b':
      return { type: 'begin', transactionId: event[1], committedAt: new Date(event[2]), position: event[3] };
    case 'i':
      return { type: 'insert', place: event[1], table: table(event[2]), new: unpackedRow(event[3]) };
    case 'u':
      return {
        type: 'update',
        place: event[1],
        table: table(event[2]),
        old: event[3] && unpackedRow(event[3]),
        new: unpackedRow(event[4]),
      };
    case 'd':
      return { type: 'delete', place: event[1], table: table(event[2]), old: unpackedRow(event[3]) };
    case 't': {
      const [, place, ...numbers] = event;
      return { type: 'truncate', place, tables: numbers.map(table) };
    }
    case 'c':
      return { type: 'commit', position: event[1] };
    case 'a':
      return { type: 'alive', position: event[1] };
    case 'v':
      return { type: 'coverage', tableId: event[1], coverage: event[2], reason: event[3] };
    case 'g':
      return { type: 'gap', tableId: event[1], reason: event[2] };
    case 's':
      return { type: 'schema' };
  }
}

const packedRow = (row: ChangedRow): PackedRow =>
  row.includes(undefined) ? row.map((value) => (value === undefined ? notTold : value)) : (row as PackedRow);

const unpackedRow = (row: PackedRow): ChangedRow =>
  row.includes(notTold) ? row.map((value) => (value === notTold ? undefined : value)) : (row as ChangedRow);

const packedShape = ({ columns, ...shape }: ChangedTable): PackedShape => ({
  ...shape,
  columns: columns.map(({ name, dataType, coding }) => [name, dataType, coding]),
});

/** What a chunk is bound to: it opens in no other place. */
export interface ChunkPlace {
  readonly databaseId: string;
  readonly epoch: string;
  readonly number: number;
}

export async function sealChunk(text: string, key: Buffer, place: ChunkPlace): Promise<Buffer> {
  const bytes = await compress(text, { params: { [constants.ZSTD_c_compressionLevel]: level } });
  return encrypt(key, bytes, boundTo(place));
}

/** @throws Error where it was sealed with another key, or for another place */
export async function openChunk(payload: Buffer, key: Buffer, place: ChunkPlace): Promise<string> {
  const bytes = decrypt(key, payload, boundTo(place));
  return (await decompress(bytes, { maxOutputLength: maxTextBytes })).toString();
}

const boundTo = ({ databaseId, epoch, number }: ChunkPlace): Buffer =>
  Buffer.from(JSON.stringify(['changes', databaseId, epoch, number]));
