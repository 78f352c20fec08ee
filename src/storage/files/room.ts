/**
 * What a user's files may have together: asked in the transaction that changes it, behind the change, while nobody else
 * counts. A file whose size nobody knows claims its room piece by piece, so that many of them never have more than there is.
 */
import type pg from 'pg';
import { transaction } from '../../db/metadata.ts';
import { AppError, notFound } from '../../lib/errors.ts';
import type { StorageLimits } from './limits.ts';
import type { FileStore } from './store.ts';

export interface Claim {
  /** Of a reservation. */
  readonly fileId: string;
  /** What it is to have; less than before gives room back. */
  readonly bytes: number;
  /** More, that it takes where there is room, so that it need not ask for a while. */
  readonly aheadBytes: number;
  /** Reservations that are of no use any more where this is refused, the file among them. */
  readonly together: readonly string[];
}

export interface Room {
  /**
   * @returns what the file may have now: from `bytes` to `aheadBytes` more
   * @throws AppError LIMIT_EXCEEDED, and all of `together` has given its room back: who shared it with others that grow
   * leaves it to them; NOT_FOUND for what is no reservation any more
   */
  claim(claim: Claim): Promise<number>;
}

export const exceeded = (what: string, limit: number, actual: number) =>
  new AppError('LIMIT_EXCEEDED', what, { details: { limit, actual } });

const noRoom = (limit: number, total: number, sizeBytes: number) =>
  exceeded(
    `The user’s files may have ${limit} bytes: ${total - sizeBytes} are used, or reserved for what is under way, and ${sizeBytes} do not fit`,
    limit,
    total,
  );

/** @param total with what has come, of `sizeBytes`. @throws AppError LIMIT_EXCEEDED */
export function requireRoom({ bytesOfUser: limit }: StorageLimits, total: number, sizeBytes: number): void {
  if (total > limit) throw noRoom(limit, total, sizeBytes);
}

export interface RoomDeps {
  readonly pool: pg.Pool;
  readonly store: Pick<FileStore, 'findFiles' | 'holdUser' | 'usageOf' | 'setReserved'>;
  readonly limits: StorageLimits;
}

export function createRoom({ pool, store, limits }: RoomDeps): Room {
  const limit = limits.bytesOfUser;

  return {
    async claim({ fileId, bytes, aheadBytes, together }) {
      const [seen] = await store.findFiles([fileId]);
      if (!seen) throw notFound('File');
      const { ownerId } = seen;
      const given = await transaction(pool, async (client) => {
        if (ownerId !== null) await store.holdUser(client, ownerId);

        /** @returns what his files have with it; nobody's are not counted */
        async function totalWith(sizeBytes: number): Promise<number> {
          if (!(await store.setReserved(client, fileId, sizeBytes))) throw notFound('File');
          return ownerId === null ? 0 : (await store.usageOf(client, ownerId)).bytes;
        }

        const total = await totalWith(bytes + aheadBytes);
        if (total <= limit) return bytes + aheadBytes;
        const most = bytes + aheadBytes - (total - limit);
        if (most > bytes && (await totalWith(most)) <= limit) return most;
        const least = await totalWith(bytes);
        if (least <= limit) return bytes;
        for (const id of together) await store.setReserved(client, id, 0);
        return noRoom(limit, least, bytes);
      });
      if (given instanceof AppError) throw given;
      return given;
    },
  };
}
