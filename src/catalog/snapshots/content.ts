/**
 * Snapshots as they are kept: NDJSON under zstd, a line for some objects of one list. Objects of a list have the same
 * keys, so a line has them once and then values alone.
 */
import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { constants, createZstdCompress, zstdDecompress } from 'node:zlib';
import type { CatalogSnapshot } from '../../engines/snapshot.ts';
import { AppError } from '../../lib/errors.ts';

const decompress = promisify(zstdDecompress);

/** As text; a catalogue of a hundred thousand tables has about 200 MB. */
const maxContentBytes = 256 * 2 ** 20;
const level = 3;
/** Grows when a snapshot holds other things than before: then what was kept is read by nobody, and its target anew. */
export const contentFormat = '2.';
const objectsAtOnce = 100;

export interface Content {
  /** Compressed. */
  readonly content: Buffer;
  /** Of the text. */
  readonly bytes: number;
  /** Of the text: another one for another catalogue, ids and owners as well. Begins with `contentFormat`. */
  readonly version: string;
}

/** A path that comes again goes on with its list. `shapes` are the keys of the objects in a packed value, by number. */
type Line = [path: string[], value: unknown, shapes: string[][]];

/** Line by line: the text as a whole is nowhere. @throws AppError LIMIT_EXCEEDED for a catalogue that is too large to be kept */
export async function packSnapshot(snapshot: CatalogSnapshot): Promise<Content> {
  const hash = createHash('sha256');
  const pieces: Buffer[] = [];
  let bytes = 0;
  async function* lines(): AsyncGenerator<Buffer> {
    for (const [path, value] of partsOf(snapshot)) {
      const shapes = createShapes();
      const line = Buffer.from(`${JSON.stringify([path, packed(value, shapes), shapes.all] satisfies Line)}\n`);
      bytes += line.length;
      if (bytes > maxContentBytes) {
        throw new AppError('LIMIT_EXCEEDED', 'The catalogue is too large to be kept', {
          details: { limit: maxContentBytes },
        });
      }
      hash.update(line);
      yield line;
      await setImmediate();
    }
  }
  await pipeline(
    Readable.from(lines(), { highWaterMark: 1 }),
    createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: level } }),
    async (compressed: AsyncIterable<Buffer>) => {
      for await (const piece of compressed) pieces.push(piece);
    },
  );
  return { content: Buffer.concat(pieces), bytes, version: `${contentFormat}${hash.digest('hex')}` };
}

/** @throws Error for bytes that `packSnapshot` did not make */
export async function unpackSnapshot(content: Buffer): Promise<CatalogSnapshot> {
  const text = await decompress(content, { maxOutputLength: maxContentBytes });
  const snapshot: Record<string, unknown> = {};
  for (let from = 0; from < text.length; ) {
    const to = text.indexOf('\n', from);
    const [path, value, shapes] = JSON.parse(text.toString('utf8', from, to)) as Line;
    from = to + 1;
    const key = path.at(-1) ?? '';
    const [first = ''] = path;
    if (path.length > 1) snapshot[first] ??= {};
    const into = path.length === 1 ? snapshot : (snapshot[first] as Record<string, unknown>);
    const part = unpacked(value, shapes);
    if (Array.isArray(part) && Array.isArray(into[key])) into[key].push(...part);
    else into[key] = part;
    await setImmediate();
  }
  return snapshot as unknown as CatalogSnapshot;
}

/** Lists in pieces, each at least once. */
function* partsOf(value: object, above: string[] = []): Generator<[string[], unknown]> {
  for (const [key, part] of Object.entries(value)) {
    const path = [...above, key];
    if (Array.isArray(part)) {
      for (let from = 0; from === 0 || from < part.length; from += objectsAtOnce) {
        yield [path, part.slice(from, from + objectsAtOnce)];
      }
    } else if (part !== null && typeof part === 'object') yield* partsOf(part, path);
    else yield [path, part];
  }
}

interface Shapes {
  readonly all: string[][];
  numberOf(keys: string[]): number;
}

function createShapes(): Shapes {
  const all: string[][] = [];
  const numbers = new Map<string, number>();
  return {
    all,
    numberOf(keys) {
      const text = keys.join();
      const number = numbers.get(text) ?? all.push(keys) - 1;
      numbers.set(text, number);
      return number;
    },
  };
}

/** An object is `{"k": number of its shape, "o": values}`, a list of them `{"k": …, "v": [values of the first, …]}`; the rest stays. */
function packed(value: unknown, shapes: Shapes): unknown {
  if (!Array.isArray(value)) {
    if (value === null || typeof value !== 'object') return value;
    return { k: shapes.numberOf(Object.keys(value)), o: Object.values(value).map((part) => packed(part, shapes)) };
  }
  const [first] = value;
  if (first === null || typeof first !== 'object' || Array.isArray(first)) return value;
  const keys = Object.keys(first);
  return { k: shapes.numberOf(keys), v: value.map((item) => keys.map((key) => packed(item[key], shapes))) };
}

function unpacked(value: unknown, shapes: string[][]): unknown {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
  const { k, v: rows, o: row } = value as { k: number; v?: unknown[][]; o?: unknown[] };
  const keys = shapes[k] ?? [];
  const item = (values: unknown[]) => {
    const built: Record<string, unknown> = {};
    for (let place = 0; place < keys.length; place += 1) built[keys[place]!] = unpacked(values[place], shapes);
    return built;
  };
  return rows ? rows.map(item) : item(row ?? []);
}
