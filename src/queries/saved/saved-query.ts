/** A saved query as it is kept, and what somebody is to it. */
import type { ProjectRole } from '../../accounts/policy.ts';
import type { ExportInput } from '../../exports/destination.ts';

/**
 * Why a schedule stopped by itself. owner_gone: the account is deleted or disabled. database_gone: it was disconnected.
 * forbidden: the owner may no longer query the database, or is no longer in the project. key_ended: the API key with which
 * what runs was decided is revoked or has expired.
 */
export const scheduleProblems = ['owner_gone', 'database_gone', 'forbidden', 'key_ended'] as const;
export type ScheduleProblem = (typeof scheduleProblems)[number];

export interface SavedQuery {
  readonly id: string;
  readonly name: string;
  readonly sql: string;
  /** Whose rights a scheduled run has; null when the account is gone. */
  readonly ownerId: string | null;
  readonly databaseId: string | null;
  readonly projectId: string | null;
  /** Five-field cron, UTC. */
  readonly schedule: string | null;
  readonly scheduleEnabled: boolean;
  readonly scheduleProblem: ScheduleProblem | null;
  /** The API key with which what runs by itself was decided, and with which it ends; null: a session. */
  readonly scheduleKeyId: string | null;
  /** Where its runs write their rows; null: they are kept as results. */
  readonly export: ExportInput | null;
  /** Null where it does not run by itself. */
  readonly nextRunAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** A saved query, and what the user who asked for it is in its project. */
export interface VisibleSavedQuery extends SavedQuery {
  readonly role: ProjectRole | null;
}

export const resourceOf = ({
  ownerId,
  projectId,
  databaseId,
  role,
}: Pick<VisibleSavedQuery, 'ownerId' | 'projectId' | 'databaseId' | 'role'>) =>
  ({ kind: 'saved-query', databaseId, ownerId, shared: projectId !== null, role }) as const;

/** Whether it is to run by itself. */
export const isScheduled = ({ schedule, scheduleEnabled }: Pick<SavedQuery, 'schedule' | 'scheduleEnabled'>): boolean =>
  schedule !== null && scheduleEnabled;
