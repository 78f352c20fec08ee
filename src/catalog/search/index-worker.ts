/** The thread that makes indexes, one after the other: what is kept of a snapshot comes in, arrays go out without a copy. */
import { parentPort } from 'node:worker_threads';
import { unpackSnapshot } from '../snapshots/content.ts';
import { buildIndex } from './build-index.ts';
import type { CatalogIndex } from './catalog-index.ts';

export interface IndexTask {
  readonly databaseName: string;
  /** As a snapshot is kept. */
  readonly content: Uint8Array;
}
export type IndexAnswer = { readonly index: CatalogIndex } | { readonly fault: string };

async function answer({ databaseName, content }: IndexTask): Promise<IndexAnswer> {
  try {
    const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    return { index: buildIndex({ databaseName, snapshot: await unpackSnapshot(bytes) }) };
  } catch (error) {
    return { fault: String(error) };
  }
}

parentPort?.on('message', async (task: IndexTask) => {
  const made = await answer(task);
  const arrays =
    'index' in made ? Object.values(made.index).map(({ buffer }: Uint8Array) => buffer as ArrayBuffer) : [];
  parentPort?.postMessage(made, arrays);
});
