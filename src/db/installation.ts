/** What tells this installation from others that share a server with it: the same on all of its replicas. */
import type { Executor } from './metadata.ts';

/** A UUID, made with the metadata and never changed. */
export async function installationId(db: Executor): Promise<string> {
  const { rows } = await db.query<{ id: string }>(
    'SELECT id FROM _prisma_migrations ORDER BY started_at, migration_name LIMIT 1',
  );
  return rows[0]!.id;
}
