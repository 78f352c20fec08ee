/** The plan of a statement is made once a connection, perhaps when the server was new: it has to hold for millions of jobs. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { byKey } from '../../src/db/round.ts';
import { acceptAndStart, acceptJobs } from '../../src/jobs/accept.ts';
import { claimJobs, claimOnly } from '../../src/jobs/claim.ts';
import { finishJobs } from '../../src/jobs/finish.ts';
import { createTestMetadata, type TestMetadata } from '../support/metadata.ts';

let metadata: TestMetadata;
beforeAll(async () => {
  metadata = await createTestMetadata();
});
afterAll(() => metadata[Symbol.asyncDispose]());

test.each([acceptJobs, acceptAndStart, claimJobs, claimOnly, finishJobs])(
  '$name finds each job by a key, also when it was planned before there was any',
  async ({ text }) => {
    const client = await metadata.pool.connect();
    await client.query('BEGIN');
    await client.query(byKey.statement.text);
    const { rows } = await client.query<{ 'QUERY PLAN': string }>(`EXPLAIN (GENERIC_PLAN) ${text}`);
    client.release(true);
    const lines = rows.map((row) => row['QUERY PLAN']);
    expect(lines.filter((line) => /(Seq|Bitmap) |Hash Join|Merge Join/.test(line))).toEqual([]);
    const byPrimaryKey = lines.flatMap((line, i) => (line.includes('using jobs_pkey') ? [lines[i + 1]] : []));
    for (const line of byPrimaryKey) expect(line).toContain('Index Cond: (id = ');
  },
);
