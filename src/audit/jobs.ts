/** What people do with jobs, as the queue has it written: in its own transactions, and of its submissions many at once. */
import { createHash } from 'node:crypto';
import { nobody } from '../accounts/viewer.ts';
import type { Prepared, Step } from '../db/round.ts';
import type { Submission } from '../jobs/accept.ts';
import type { NoteJob } from '../jobs/jobs.ts';
import { encodeId, uuidv7 } from '../lib/ids.ts';
import { type AuditAction, detailsText, record, userAgentOf } from './audit.ts';

/** For createJobs(). */
export const noteJob: NoteJob = (client, { viewer, caller, action, jobId, details = {} }) =>
  record(client, {
    actorId: viewer.userId,
    action,
    subject: encodeId('Job', jobId),
    outcome: 'success',
    caller,
    details,
  });

/** Of a submission that is known by its key nothing new was done. */
const noteSubmitted: Prepared = {
  name: 'note_submitted',
  text: `
    INSERT INTO audit_entries (id, actor_id, action, subject, outcome, ip_address, user_agent, details)
    SELECT given.id, actor_id, '${'job.submitted' satisfies AuditAction}', subject, 'success', ip_address, user_agent, details
    FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
      AS given (id, job_id, actor_id, subject, ip_address, user_agent, details)
    WHERE EXISTS (SELECT FROM jobs WHERE jobs.id = given.job_id)`,
};

/** For createJobStore(): the entries of jobs that the same round inserts. SQL is in them as its SHA-256. */
export function submittedStep(submissions: readonly Submission[]): Step {
  return {
    statement: noteSubmitted,
    values: [
      submissions.map(() => uuidv7()),
      submissions.map(({ id }) => id),
      submissions.map(({ ownerId }) => ownerId),
      submissions.map(({ id }) => encodeId('Job', id)),
      submissions.map(({ caller }) => caller?.ipAddress ?? null),
      submissions.map(({ caller }) => (caller ? userAgentOf(caller) : null)),
      submissions.map((submission) => detailsText(detailsOf(submission), submission.caller ?? nobody)),
    ],
  };
}

const detailsOf = ({ kind, databaseId, sql, readOnly, sourceId, savedQueryId, export: exports }: Submission) => ({
  kind,
  /** Null: with credentials that were typed for it. */
  database: databaseId && encodeId('Database', databaseId),
  sqlSha256: createHash('sha256').update(sql).digest('hex'),
  readOnly,
  ...(sourceId && { source: encodeId('Job', sourceId) }),
  ...(savedQueryId && { savedQuery: encodeId('SavedQuery', savedQueryId) }),
  ...(exports && { bucket: encodeId('Bucket', exports.bucketId) }),
});
