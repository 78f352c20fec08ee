/** What somebody is in a project, and with whom he shares one: read by everything that hangs off projects. */
import type pg from 'pg';
import { type ProjectRole, projectRoles } from '../accounts/policy.ts';
import type { Executor } from '../db/metadata.ts';

/** Runs in the transaction that took rights in these databases from somebody: ends what he is still doing there. */
export type RightsLostHook = (client: pg.PoolClient, databaseIds: readonly string[]) => Promise<void>;

export interface Access {
  /** Null for a stranger, and for a project that is not there. */
  roleOf(userId: string, projectId: string): Promise<ProjectRole | null>;
  /** Only the projects in which the user is somebody. */
  rolesOf(userId: string, projectIds: readonly string[]): Promise<Map<string, ProjectRole>>;
  /** Which of the others share a project with the user. */
  fellowsOf(userId: string, otherIds: readonly string[]): Promise<Set<string>>;
}

export const projectRoleOfText = (role: string): ProjectRole => {
  const known = projectRoles.find((name) => name === role);
  if (!known) throw new Error(`the metadata names a project role “${role}”`);
  return known;
};

export function createAccess({ pool }: { pool: Executor }): Access {
  async function rolesOf(userId: string, projectIds: readonly string[]): Promise<Map<string, ProjectRole>> {
    if (projectIds.length === 0) return new Map();
    const { rows } = await pool.query<{ projectId: string; role: string }>(
      `SELECT project_id AS "projectId", role FROM project_members WHERE user_id = $1 AND project_id = ANY($2::uuid[])`,
      [userId, [...new Set(projectIds)]],
    );
    return new Map(rows.map(({ projectId, role }) => [projectId, projectRoleOfText(role)]));
  }

  return {
    rolesOf,
    roleOf: async (userId, projectId) => (await rolesOf(userId, [projectId])).get(projectId) ?? null,
    async fellowsOf(userId, otherIds) {
      if (otherIds.length === 0) return new Set();
      const { rows } = await pool.query<{ userId: string }>(
        `SELECT DISTINCT other.user_id AS "userId"
         FROM project_members own JOIN project_members other USING (project_id)
         WHERE own.user_id = $1 AND other.user_id = ANY($2::uuid[])`,
        [userId, [...new Set(otherIds)]],
      );
      return new Set(rows.map((row) => row.userId));
    },
  };
}
