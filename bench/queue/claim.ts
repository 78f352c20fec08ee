/** What a claim costs beside a short queue, a long one and one of many users; the queues are made by one statement. */
import { randomUUID } from 'node:crypto';
import { createPool } from '../../src/db/metadata.ts';
import { createJobStore } from '../../src/jobs/store.ts';
import { createBus } from '../../src/lib/bus.ts';
import { createLog } from '../../src/lib/log.ts';
import { addUsers, quarry, storeDeps } from './quarry.ts';
import type { Place } from './system.ts';

/** Jobs of one claim. */
const claimed = 8;
/** Claims of a round; what they took goes back before the next. */
const claims = 50;

export interface Backlog extends AsyncDisposable {
  /** Milliseconds of each claim. */
  round(): Promise<number[]>;
}

export async function openBacklog(postgres: Place['postgres'], jobs: number, users: number): Promise<Backlog> {
  const queue = await quarry.open({ postgres, redis: null });
  await queue.close();
  const pool = createPool({ connection: postgres, log: createLog({ level: 'silent', format: 'json' }), max: 2 });
  const store = createJobStore(storeDeps(pool, createBus()));
  const ids = await addUsers(pool, users);
  await pool.query(
    `INSERT INTO jobs (id, kind, status, owner_id, target_key, target_label, sql, read_only, transaction, timeout_ms, max_rows,
                       rank_ms, change_xid, change_seq)
     SELECT uuidv7(), 'query', 'queued', owner, owner, 'bench', 'select 1', true, 'per_statement', 60000, 1000,
            extract(epoch FROM now()) * 1000 + i, pg_current_xact_id()::text::bigint, nextval('job_changes')
     FROM generate_series(0, $1::int - 1) AS i CROSS JOIN LATERAL (SELECT ($2::uuid[])[1 + i % $3] AS owner) AS owners`,
    [jobs, ids, users],
  );
  await pool.query('VACUUM ANALYZE jobs');
  return {
    async round() {
      const times: number[] = [];
      for (let claim = 0; claim < claims; claim += 1) {
        const startedAt = performance.now();
        let got = 0;
        const handle = store.serve({
          workerId: randomUUID(),
          concurrency: claimed,
          busy: () => got,
          claiming: () => undefined,
          start: (jobs) => {
            got += jobs.length;
          },
          failed: (error) => {
            throw error;
          },
        });
        await handle.wake();
        times.push(performance.now() - startedAt);
        await handle.stop();
        if (got !== claimed) throw new Error(`a claim took ${got} of ${claimed}`);
      }
      await pool.query(
        `UPDATE jobs SET status = 'queued', worker_id = NULL, lease_until = NULL WHERE status = 'running'`,
      );
      await pool.query('VACUUM jobs');
      return times;
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}
