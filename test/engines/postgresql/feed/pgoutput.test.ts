/** The decoder of the log: what each message becomes, and that bytes which are none end in an error of their own. */
import { describe, expect, test } from 'vitest';
import {
  createPgoutput,
  MalformedChange,
  type PgoutputHandler,
} from '../../../../src/engines/postgresql/feed/pgoutput.ts';

type Call = [name: string, ...values: unknown[]];

function recorder(): { calls: Call[]; handler: PgoutputHandler } {
  const calls: Call[] = [];
  const record =
    (name: string) =>
    (...values: unknown[]) =>
      void calls.push([name, ...values]);
  const names = ['begin', 'commit', 'relation', 'insert', 'update', 'delete', 'truncate', 'message'] as const;
  return {
    calls,
    handler: Object.fromEntries(names.map((name) => [name, record(name)])) as unknown as PgoutputHandler,
  };
}

const bytes = (...parts: (number | string | Buffer)[]): Buffer =>
  Buffer.concat(parts.map((part) => (typeof part === 'number' ? Buffer.from([part]) : Buffer.from(part as string))));
const int16 = (value: number): Buffer => {
  const buffer = Buffer.alloc(2);
  buffer.writeInt16BE(value);
  return buffer;
};
const int32 = (value: number): Buffer => {
  const buffer = Buffer.alloc(4);
  buffer.writeInt32BE(value | 0);
  return buffer;
};
const int64 = (value: bigint): Buffer => {
  const buffer = Buffer.alloc(8);
  buffer.writeBigInt64BE(value);
  return buffer;
};
const tuple = (...values: (string | null | undefined)[]): Buffer =>
  Buffer.concat([
    int16(values.length),
    ...values.map((value) => {
      if (value === null) return Buffer.from('n');
      if (value === undefined) return Buffer.from('u');
      return bytes('t', int32(Buffer.byteLength(value)), value);
    }),
  ]);

const lsn = 0x16_b374_d848n;
const position = '00000016b374d848';
const messages: Record<string, [Buffer, Call | null]> = {
  begin: [bytes('B', int64(lsn), int64(0n), int32(4_000_000_000)), ['begin', position, 946_684_800_000, 4_000_000_000]],
  commit: [bytes('C', 0, int64(lsn), int64(lsn + 1n), int64(0n)), ['commit', position]],
  relation: [
    bytes(
      'R',
      int32(3_000_000_000),
      '\0täble\0d',
      int16(2),
      1,
      'id\0',
      int32(23),
      int32(-1),
      0,
      'x\0',
      int32(1043),
      int32(54),
    ),
    [
      'relation',
      {
        oid: 3_000_000_000,
        schema: 'pg_catalog',
        name: 'täble',
        replicaIdentity: 'd',
        columns: [
          { identity: true, name: 'id', typeOid: 23, typeModifier: -1 },
          { identity: false, name: 'x', typeOid: 1043, typeModifier: 54 },
        ],
      },
    ],
  ],
  insert: [bytes('I', int32(7), 'N', tuple('1', null, 'ß€😀', '')), ['insert', 7, ['1', null, 'ß€😀', '']]],
  'update of a row without an old one': [
    bytes('U', int32(7), 'N', tuple('1', undefined)),
    ['update', 7, null, null, ['1', undefined]],
  ],
  'update with a key': [
    bytes('U', int32(7), 'K', tuple('1', null), 'N', tuple('2', 'a')),
    ['update', 7, 'KEY', ['1', null], ['2', 'a']],
  ],
  'update with the old row': [
    bytes('U', int32(7), 'O', tuple('1', 'b'), 'N', tuple('2', 'a')),
    ['update', 7, 'WHOLE', ['1', 'b'], ['2', 'a']],
  ],
  'delete by key': [bytes('D', int32(7), 'K', tuple('1', null)), ['delete', 7, 'KEY', ['1', null]]],
  'delete of a whole row': [bytes('D', int32(7), 'O', tuple('1', 'a')), ['delete', 7, 'WHOLE', ['1', 'a']]],
  truncate: [bytes('T', int32(2), 1, int32(7), int32(8)), ['truncate', [7, 8]]],
  message: [bytes('M', 0, int64(lsn), 'quarry\0', int32(3), 'abc'), ['message', 'quarry', false, position]],
  'message of a transaction': [bytes('M', 1, int64(lsn), 'x\0', int32(0)), ['message', 'x', true, position]],
  type: [bytes('Y', int32(7), 'public\0mood\0'), null],
  origin: [bytes('O', int64(lsn), 'elsewhere\0'), null],
};

const decode = (message: Buffer, start = 0, end = message.length): Call[] => {
  const { calls, handler } = recorder();
  createPgoutput(handler).decode(message, start, end);
  return calls;
};

describe('a message', () => {
  test.each(Object.entries(messages))('%s is read, wherever it lies in its chunk', (_, [message, call]) => {
    const chunk = Buffer.concat([Buffer.alloc(13, 'I'), message, Buffer.alloc(9, 't')]);
    expect(decode(message)).toEqual(call === null ? [] : [call]);
    expect(decode(chunk, 13, 13 + message.length)).toEqual(call === null ? [] : [call]);
  });

  test.each(Object.entries(messages))('%s that is cut, or goes on, is malformed', (_, [message]) => {
    // What follows in the chunk must not be taken for the rest of it.
    const chunk = Buffer.concat([message, message, Buffer.alloc(64)]);
    for (let end = 0; end < message.length; end++) expect(() => decode(chunk, 0, end)).toThrow(MalformedChange);
    expect(() => decode(chunk, 0, message.length + 1)).toThrow(MalformedChange);
  });
});

test('random bytes are read or malformed, and nothing else', () => {
  let seed = 42;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const whole = Object.values(messages).map(([message]) => message);
  let malformed = 0;
  for (let round = 0; round < 20_000; round++) {
    const message = Buffer.from(whole[random(whole.length)]!);
    for (let changes = 1 + random(4); changes > 0; changes--) message[random(message.length)] = random(256);
    try {
      decode(message);
    } catch (error) {
      expect(error).toBeInstanceOf(MalformedChange);
      malformed += 1;
    }
  }
  expect(malformed).toBeGreaterThan(1_000);
});
