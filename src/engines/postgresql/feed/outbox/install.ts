/** Installs the outbox of a feed in its target, and removes it without a trace. */
import pg from 'pg';
import { trackingSchema } from '../../catalog/sql.ts';
import { unsupported } from '../names.ts';
import type { Side } from '../side.ts';
import { installation, outboxNamesOf, removal } from './installation.ts';
import { createOutbox } from './outbox.ts';

interface InstallOptions {
  readonly feedId: string;
  readonly signal: AbortSignal;
}

/** Again is no change. @throws AppError UNSUPPORTED; DatabaseError */
export async function installOutbox(side: Side, { feedId, signal }: InstallOptions): Promise<void> {
  const [row] = await side.query('SELECT pg_is_in_recovery()', [], { signal });
  if (row?.[0] === 't') throw unsupported('The server is a read-only standby: track rows on its primary');
  try {
    await side.transaction(
      async (query) => {
        for (const statement of installation(outboxNamesOf(feedId))) await query(statement);
      },
      { signal },
    );
  } catch (error) {
    if (error instanceof pg.DatabaseError && (error.code === '42501' || error.code === '25006'))
      throw unsupported('The credentials may not make a schema in the database: they need CREATE on it', error);
    throw error;
  }
}

/** With the triggers that write to it; no-op where nothing is. Waits for those who write. @throws DatabaseError */
export async function removeOutbox(side: Side, { feedId, signal }: InstallOptions): Promise<void> {
  const names = outboxNamesOf(feedId);
  if (!(await createOutbox(side, names).isInstalled({ signal }))) return;
  await side.transaction(
    async (query) => {
      for (const statement of removal(names)) await query(statement);
      await query('SAVEPOINT emptied');
      try {
        await query(`DROP SCHEMA IF EXISTS ${trackingSchema} RESTRICT`);
      } catch (error) {
        // Something else is tracked here, too; or somebody else made the schema.
        if (!(error instanceof pg.DatabaseError) || (error.code !== '2BP01' && error.code !== '42501')) throw error;
        await query('ROLLBACK TO SAVEPOINT emptied');
      }
    },
    { signal },
  );
}
