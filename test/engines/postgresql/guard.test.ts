/** The length check before the protocol parser: it must see every header, however the bytes are cut. */
import type { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { MessageTooLong, NotPostgresql } from '../../../src/engines/postgresql/errors.ts';
import { type CopyTaker, guard, type RowTaker } from '../../../src/engines/postgresql/guard.ts';

const maxMessageBytes = 1_000;

function message(type: string, body: Buffer): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.write(type, 'latin1');
  bytes.writeUInt32BE(body.length + 4, 1);
  return Buffer.concat([bytes, body]);
}

/** What comes through, and the error that ended it, when the chunks arrive one after the other. */
async function pass(
  chunks: readonly Buffer[],
  {
    onData,
    copyTaker = null,
    reused = false,
    ...limits
  }: { onData?: () => void; copyTaker?: CopyTaker | null; maxMessageBytes?: number; reused?: boolean } = {},
): Promise<{ data: Buffer; error: unknown; pieces: number[] }> {
  const [near, far] = duplexPair();
  const stream = guard(near as unknown as Socket, { maxMessageBytes, reused, ...limits });
  stream.copyTaker = copyTaker;
  const received: Buffer[] = [];
  const ended = new Promise<unknown>((resolve) => {
    stream.on('error', resolve);
    stream.on('end', () => resolve(null));
  });
  stream.on('data', (chunk: Buffer) => {
    received.push(chunk);
    onData?.();
  });
  stream.connect();
  // As a socket does that reads into one buffer: when all have heard of a chunk its bytes are others.
  if (reused) process.nextTick(() => near.on('data', (chunk: Buffer) => chunk.fill(0xff)));
  far.on('error', () => {});
  for (const chunk of chunks) far.write(chunk);
  far.end();
  return { error: await ended, data: Buffer.concat(received), pieces: received.map(({ length }) => length) };
}

const cut = (bytes: Buffer, size: number): Buffer[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));

const good = Buffer.concat([
  message('Z', Buffer.from('I')),
  message('1', Buffer.alloc(0)),
  // A body that looks like the header of a message of 4 GB.
  message('D', Buffer.from('D\xff\xff\xff\xff'.repeat(50), 'latin1')),
  message('D', Buffer.alloc(maxMessageBytes - 4)),
  message('C', Buffer.from('SELECT 1\0')),
]);

test.each([1, 2, 3, 4, 5, 6, 7, 64, 1_000, 10_000])('passes messages in chunks of %d bytes unchanged', async (size) => {
  expect(await pass(cut(good, size))).toMatchObject({ data: good, error: null });
});

test.each([1, 4, 7, 64, 10_000])('keeps nothing of chunks of %d bytes that are read over', async (size) => {
  expect(await pass(cut(Buffer.from(good), size), { reused: true })).toMatchObject({ data: good, error: null });
});

test.each([1, 4, 5, 7, 10_000])('ends at a message that is too long, in chunks of %d bytes', async (size) => {
  const long = Buffer.concat([good, message('D', Buffer.alloc(maxMessageBytes - 3))]);
  const { data, error } = await pass(cut(long, size));
  expect(error).toBeInstanceOf(MessageTooLong);
  // Nothing of its body, whole or in part, has reached the parser.
  expect(data.length).toBeLessThan(good.length + 5);
});

test.each([70_000, 1_500_000, 3_000_001])(
  'a long message reaches the parser in one piece, and what stands around it unchanged, in chunks of %d bytes',
  async (size) => {
    const long = message('D', Buffer.alloc(2 ** 21, 'x'));
    const all = Buffer.concat([good, long, good, long, long, good]);
    const { data, error, pieces } = await pass(cut(all, size), { maxMessageBytes: 2 ** 22 });
    expect(error).toBeNull();
    expect(data.equals(all)).toBe(true);
    expect(pieces.filter((length) => length >= long.length).length).toBeGreaterThan(0);
  },
);

test('does not wait for the body of a message that announces gigabytes', async () => {
  const header = Buffer.from([0x44, 0xff, 0xff, 0xff, 0xff]);
  expect((await pass([header])).error).toBeInstanceOf(MessageTooLong);
});

test.each([0, 1, 3])('ends at a length of %d, which no message has', async (length) => {
  expect((await pass([Buffer.from([0x44, 0, 0, 0, length])])).error).toBeInstanceOf(NotPostgresql);
});

test('what the reader throws ends the connection and not the process', async () => {
  const { error } = await pass([good], {
    onData: () => {
      throw new RangeError('a message that lies about its inside');
    },
  });
  expect(error).toBeInstanceOf(NotPostgresql);
  expect((error as Error).cause).toBeInstanceOf(RangeError);
});

test.each([1, 2, 3, 4, 5, 6, 7, 9, 64, 10_000])('takes rows of a COPY out, in chunks of %d bytes', async (size) => {
  const rows = ['a\n', 'bc\n', `${'x'.repeat(90)}\n`, 'd\n'];
  const others = [message('H', Buffer.alloc(3)), message('N', Buffer.from('a notice')), message('c', Buffer.alloc(0))];
  const copied = rows.map((row) => message('d', Buffer.from(row)));
  const stream = Buffer.concat([
    others[0]!,
    copied[0]!,
    copied[1]!,
    others[1]!,
    copied[2]!,
    copied[3]!,
    others[2]!,
    good,
  ]);
  const taken: string[] = [];
  let row = '';
  const { data, error } = await pass(cut(stream, size), {
    copyTaker: {
      begin: () => {
        row = '';
      },
      piece: (chunk, start, end) => {
        row += chunk.toString('latin1', start, end);
      },
      end: () => void taken.push(row),
    },
  });
  expect(error).toBeNull();
  expect(taken).toEqual(rows);
  expect(data).toEqual(Buffer.concat([...others, good]));
});

test.each([1, 2, 3, 4, 5, 6, 7, 9, 64, 10_000])(
  'hands rows to whom the description before them sets, and others to the parser, in chunks of %d bytes',
  async (size) => {
    const described = message('T', Buffer.from('taken'));
    const end = Buffer.concat([message('C', Buffer.from('SELECT 3\0')), message('Z', Buffer.from('T'))]);
    const rows = ['a', '', 'D\xff\xff\xff\xff'.repeat(30)];
    const taken = rows.map((row) => message('D', Buffer.from(row, 'latin1')));
    const other = Buffer.concat([message('T', Buffer.from('other')), message('D', Buffer.from('b')), end]);
    const answers = [other, described, ...taken, end, other];
    const [near, far] = duplexPair();
    const stream = guard(near as unknown as Socket, { maxMessageBytes, reused: true });
    const [received, found]: [Buffer[], string[]] = [[], []];
    const taker: RowTaker = (bytes, from, to) => void found.push(bytes.toString('latin1', from, to));
    stream.rowTaking = { taker: null };
    stream.on('data', (chunk: Buffer) => {
      received.push(chunk);
      // As `pg` does, which knows whose an answer is when it sees how that begins.
      const told = Buffer.concat(received);
      stream.rowTaking = { taker: told.lastIndexOf(described) > told.lastIndexOf(end) ? taker : null };
    });
    const ended = new Promise((resolve) => stream.on('end', resolve).on('error', resolve));
    stream.connect();
    for (const chunk of cut(Buffer.concat(answers), size)) far.write(Buffer.from(chunk));
    far.end();
    expect(await ended).toBeUndefined();
    expect(found).toEqual(rows);
    expect(Buffer.concat(received)).toEqual(Buffer.concat([other, described, end, other]));
  },
);

describe('wherever the stream is cut', () => {
  const rows = ['a\n', '', 'bcd\n'];
  const row = (text: string) => message('d', Buffer.from(text));
  const before = Buffer.concat([message('1', Buffer.alloc(0)), message('H', Buffer.alloc(3)), row(rows[0]!)]);
  const middle = Buffer.concat([row(rows[1]!), message('N', Buffer.from('note')), row(rows[2]!)]);
  const after = Buffer.concat([
    message('c', Buffer.alloc(0)),
    message('C', Buffer.from('COPY 3\0')),
    message('Z', Buffer.from('I')),
  ]);
  const stream = Buffer.concat([before, middle, after]);

  /** What the parser and the taker get, for the cuts. */
  async function split(
    bytes: Buffer,
    cuts: readonly number[],
    { takes = true, ...limits }: { takes?: boolean; maxMessageBytes?: number } = {},
  ) {
    const taken: string[] = [];
    let current = '';
    const copyTaker: CopyTaker = {
      begin: () => {
        current = '';
      },
      piece: (chunk, start, end) => {
        current += chunk.toString('latin1', start, end);
      },
      end: () => void taken.push(current),
    };
    const places = [0, ...cuts, bytes.length];
    const chunks = places.slice(1).map((end, i) => bytes.subarray(places[i], end));
    const { data, error } = await pass(chunks, { copyTaker: takes ? copyTaker : null, ...limits });
    return { data: data.toString('latin1'), error: (error as Error | null)?.constructor.name ?? null, taken };
  }

  test('in two or three, rows of a COPY and what is around them come out the same', async () => {
    const whole = await split(stream, []);
    expect([whole.error, whole.taken]).toEqual([null, rows]);
    for (let one = 1; one < stream.length; one += 1) {
      expect(await split(stream, [one])).toEqual(whole);
      for (let two = one + 1; two < Math.min(stream.length, one + 12); two += 1)
        expect(await split(stream, [one, two])).toEqual(whole);
    }
  });

  test('without a COPY all of it comes out as it was', async () => {
    for (let one = 1; one < stream.length; one += 1)
      expect(await split(stream, [one], { takes: false })).toEqual({
        data: stream.toString('latin1'),
        error: null,
        taken: [],
      });
  });

  test('what is too long ends it, and no byte of it comes out', async () => {
    for (const type of ['D', 'd']) {
      const long = Buffer.concat([stream, message(type, Buffer.alloc(60)), message('Z', Buffer.from('I'))]);
      const limits = { maxMessageBytes: 50 };
      for (let one = 1; one < long.length; one += 1) {
        const { data, error, taken } = await split(long, [one], limits);
        expect(error).toBe('MessageTooLong');
        expect(taken.length).toBeLessThanOrEqual(rows.length);
        expect(data.length).toBeLessThanOrEqual(stream.length);
      }
    }
  });

  test('a long message is one piece for the parser, also where its header is cut', async () => {
    const long = message('D', Buffer.alloc(2 ** 20 + 3, 'x'));
    const all = Buffer.concat([good, long, good]);
    const limits = { maxMessageBytes: 2 ** 21 };
    const places = [
      -6,
      -5,
      -4,
      -3,
      -2,
      -1,
      0,
      1,
      2,
      3,
      4,
      5,
      6,
      7,
      1_000,
      long.length - 1,
      long.length,
      long.length + 1,
    ];
    for (const place of places) {
      for (const second of [
        null,
        good.length + long.length - 2,
        good.length + long.length,
        good.length + long.length + 3,
      ]) {
        const first = good.length + place;
        const cuts = second !== null && second > first ? [0, first, second, all.length] : [0, first, all.length];
        const chunks = cuts.slice(1).map((end, i) => all.subarray(cuts[i], end));
        const { data, error, pieces } = await pass(chunks, limits);
        expect([error, data.equals(all)]).toEqual([null, true]);
        if (place > 0 && place < long.length) expect(pieces).toContain(long.length);
      }
    }
  });
});
