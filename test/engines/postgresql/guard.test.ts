/** The length check before the protocol parser: it must see every header, however the bytes are cut. */
import type { Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import { expect, test } from 'vitest';
import { MessageTooLong, NotPostgresql } from '../../../src/engines/postgresql/errors.ts';
import { type CopyTaker, guard } from '../../../src/engines/postgresql/guard.ts';

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
    ...limits
  }: { onData?: () => void; copyTaker?: CopyTaker | null; maxMessageBytes?: number } = {},
): Promise<{ data: Buffer; error: unknown; pieces: number[] }> {
  const [near, far] = duplexPair();
  const stream = guard(near as unknown as Socket, { maxMessageBytes, ...limits });
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
