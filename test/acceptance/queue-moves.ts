/** What became of jobs, seen from outside: every move of each, noted by the metadata database itself. */
import type { Executor } from '../../src/db/metadata.ts';
import { isFinal, type JobStatus, moves } from '../../src/jobs/states.ts';

export interface Move {
  jobId: string;
  before: JobStatus;
  after: JobStatus;
  at: Date;
}

/** From now on. */
export async function noteMoves(metadata: Executor): Promise<void> {
  await metadata.query(`
    CREATE TABLE job_moves (job_id uuid NOT NULL, before text NOT NULL, after text NOT NULL,
                            at timestamptz NOT NULL DEFAULT clock_timestamp());
    CREATE FUNCTION note_job_move() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO job_moves (job_id, before, after) VALUES (NEW.id, OLD.status, NEW.status);
      RETURN NULL;
    END
    $$;
    CREATE TRIGGER note_job_move AFTER UPDATE ON jobs FOR EACH ROW
      WHEN (OLD.status <> NEW.status OR OLD.fence <> NEW.fence OR OLD.status IN ('succeeded', 'failed', 'cancelled'))
      EXECUTE FUNCTION note_job_move()`);
}

export async function movesOf(metadata: Executor, jobIds: readonly string[]): Promise<Move[]> {
  const { rows } = await metadata.query<Move>(
    'SELECT job_id AS "jobId", before, after, at FROM job_moves WHERE job_id = ANY($1::uuid[]) ORDER BY at',
    [jobIds],
  );
  return rows;
}

/** The moves that the table of states has no arrow for; a worker that takes over a running job moves it nowhere. */
export const illegal = (all: readonly Move[]): Move[] =>
  all.filter(({ before, after }) =>
    before === after ? isFinal(before) : !moves.some(({ from, to }) => from === before && to === after),
  );

/** How many jobs were moved to an end more often than once. */
export function endedTwice(all: readonly Move[]): number {
  const ends = new Map<string, number>();
  for (const { jobId, after } of all) if (isFinal(after)) ends.set(jobId, (ends.get(jobId) ?? 0) + 1);
  return [...ends.values()].filter((count) => count > 1).length;
}

/** The status of each, by id. */
export async function statusesOf(metadata: Executor, jobIds: readonly string[]): Promise<Map<string, JobStatus>> {
  const { rows } = await metadata.query<{ id: string; status: JobStatus }>(
    'SELECT id, status FROM jobs WHERE id = ANY($1::uuid[])',
    [jobIds],
  );
  return new Map(rows.map(({ id, status }) => [id, status]));
}

/** How often each status occurs. */
export const counted = (statuses: Iterable<JobStatus>): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
};
