/** The plan of a statement is made once a connection, perhaps when the server was new: it has to hold for millions of jobs. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { byKey } from '../../src/db/round.ts';
import {
  acceptAndGive,
  acceptAndStart,
  acceptJobs,
  acceptOneAndGive,
  acceptOneAndStart,
} from '../../src/jobs/accept.ts';
import { claimJobs, claimLock, claimOnly, firstCursor, windowOf } from '../../src/jobs/claim.ts';
import { finishJobs } from '../../src/jobs/finish.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createTestMetadata, type TestMetadata } from '../support/metadata.ts';

let metadata: TestMetadata;
beforeAll(async () => {
  metadata = await createTestMetadata();
});
afterAll(() => metadata[Symbol.asyncDispose]());

const statements = [
  acceptJobs,
  acceptAndStart,
  acceptOneAndStart,
  acceptAndGive,
  acceptOneAndGive,
  claimJobs,
  claimOnly,
  finishJobs,
];

async function planOf(text: string): Promise<string[]> {
  const client = await metadata.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(byKey());
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN (GENERIC_PLAN) ${text}`);
    return rows.map((row) => row['QUERY PLAN']);
  } finally {
    client.release(true);
  }
}

async function expectKeys({ text }: { text: string }): Promise<void> {
  const lines = await planOf(text);
  // Of workers there are a few.
  const scans = lines.filter((line) => /(Seq|Bitmap) |Hash Join|Merge Join/.test(line) && !/ on workers /.test(line));
  expect(scans).toEqual([]);
  for (const [i, line] of lines.entries()) {
    // The others hold only what waits or runs.
    if (/using (jobs_pkey|jobs_owner_id)/.test(line)) expect(lines[i + 1]).toContain('Index Cond: ');
  }
}

test.each(statements)('$name finds each job by a key, planned before there was any', expectKeys);

test('and planned when there were few', async () => {
  const owner = await metadata.addUser();
  for (const few of [3, 20]) {
    await metadata.pool.query(
      `INSERT INTO jobs (id, kind, status, owner_id, target_key, target_label, sql, read_only, transaction, timeout_ms, max_rows,
                         rank_ms, change_xid, change_seq)
       SELECT gen_random_uuid(), 'query', 'succeeded', $1::uuid, $1::uuid, 'x', 'select 1', true, 'per_statement', 1, 1, i, 1, i
       FROM generate_series(1, $2) i`,
      [owner, few],
    );
    await metadata.pool.query('ANALYZE jobs');
    for (const statement of statements) await expectKeys(statement);
  }
});

/** Pages that a claim of eight jobs looks at; it is taken back. */
async function pagesOfClaim(): Promise<number> {
  const room = 8;
  const client = await metadata.pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(claimLock.text);
    const { rows } = await client.query<{
      'QUERY PLAN': [{ Plan: { 'Actual Rows': number; 'Shared Hit Blocks': number } }];
    }>(`EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) ${claimJobs.text}`, [
      uuidv7(),
      room,
      room,
      room,
      firstCursor,
      windowOf(room),
      room,
    ]);
    const [{ Plan: plan }] = rows[0]!['QUERY PLAN'];
    expect(plan['Actual Rows']).toBe(room);
    return plan['Shared Hit Blocks'];
  } finally {
    client.release(true);
  }
}

test('a claim looks at no more of long queues than of short ones', async () => {
  const owners = await Promise.all(Array.from({ length: 16 }, () => metadata.addUser()));
  const pages: number[] = [];
  for (const each of [10, 500]) {
    await metadata.pool.query('TRUNCATE jobs CASCADE');
    await metadata.pool.query(
      `INSERT INTO jobs (id, kind, status, owner_id, target_key, target_label, sql, read_only, transaction, timeout_ms, max_rows,
                         rank_ms, change_xid, change_seq)
       SELECT gen_random_uuid(), 'query', 'queued', owner, owner, 'x', 'select 1', true, 'per_statement', 1, 1, i, 1, i
       FROM unnest($1::uuid[]) AS owner CROSS JOIN generate_series(1, $2::int) AS i`,
      [owners, each],
    );
    pages.push(await pagesOfClaim());
  }
  expect(pages[1]).toBeLessThan(2 * pages[0]!);
});
