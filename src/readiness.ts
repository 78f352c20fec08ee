/** What Quarry cannot do without, looked at for `/ready`: a route that asks for no token, and counts nobody. */
import type pg from 'pg';
import type { BlobStore } from './storage/blob-store.ts';

export interface ReadinessDeps {
  readonly pool: Pick<pg.Pool, 'query'>;
  readonly blobs: Pick<BlobStore, 'check'>;
}

const readyWithinMs = 2_000;
const sharedForMs = 1_000;

/** @returns what does not answer, by name: one look at a time, which is good for whoever asks within a second of it */
export function createReadiness({ pool, blobs }: ReadinessDeps): () => Promise<string[]> {
  let last: Promise<string[]> | null = null;

  async function look(): Promise<string[]> {
    const checks = { metadata: pool.query('SELECT 1'), storage: blobs.check() };
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error('no answer')), readyWithinMs).unref());
    const results = await Promise.allSettled(Object.values(checks).map((check) => Promise.race([check, late])));
    return Object.keys(checks).filter((_, i) => results[i]?.status === 'rejected');
  }

  function forget(): void {
    last = null;
  }

  return () => {
    last ??= look().finally(() => setTimeout(forget, sharedForMs).unref());
    return last;
  };
}
