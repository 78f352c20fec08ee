/** All that a reading of the blob store gives, copied: a piece is the reader's only until he asks for the next one. */
import type { BlobReading } from '../../src/storage/blob-store.ts';

export async function bytesOf(reading: BlobReading | null): Promise<Buffer> {
  if (!reading) throw new Error('the blob is not there');
  const pieces: Buffer[] = [];
  for await (const piece of reading) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}
