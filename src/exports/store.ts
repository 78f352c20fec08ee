/** The bucket that exports go to where nobody said another. */
import type pg from 'pg';
import { nobody } from '../accounts/viewer.ts';
import { record } from '../audit/audit.ts';
import { transaction } from '../db/metadata.ts';
import { encodeId, uuidv7 } from '../lib/ids.ts';
import type { FileStore } from '../storage/files/store.ts';

const bucketName = 'exports';

export type ExportStore = ReturnType<typeof createExportStore>;

export function createExportStore({ pool, files }: { pool: pg.Pool; files: Pick<FileStore, 'insertBucket'> }) {
  const find = async (ownerId: string): Promise<string | null> => {
    const { rows } = await pool.query<{ id: string }>(
      'SELECT id FROM buckets WHERE owner_id = $1 AND project_id IS NULL AND name = $2',
      [ownerId, bucketName],
    );
    return rows[0]?.id ?? null;
  };

  return {
    /** The user's own, private one named `exports`; made when it is not there. @returns its id */
    async ownBucket(ownerId: string): Promise<string> {
      const known = await find(ownerId);
      if (known !== null) return known;
      const id = uuidv7();
      const made = await transaction(pool, async (client) => {
        const limits = { maxFileSizeBytes: null, allowedMimeTypes: null };
        const bucket = { id, name: bucketName, ownerId, projectId: null, public: false, ...limits };
        if (!(await files.insertBucket(client, bucket))) return false;
        await record(client, {
          actorId: ownerId,
          action: 'bucket.created',
          subject: encodeId('Bucket', id),
          outcome: 'success',
          caller: nobody,
          details: { name: bucketName, for: 'export' },
        });
        return true;
      });
      // Somebody was faster.
      return made ? id : ((await find(ownerId)) ?? id);
    },
  };
}
