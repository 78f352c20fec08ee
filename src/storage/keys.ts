/** What every driver refuses: names that we would not make, and ranges that mean nothing. */
import type { BlobRange } from './blob-store.ts';

/** Lower-case letters, digits, `-`, and `/` between; so no name climbs out of a folder or is special anywhere. */
const sound = /^[a-z0-9-]+(\/[a-z0-9-]+)*$/;

/** @throws Error on a key that is not of our making */
export function checkKey(key: string): void {
  if (!sound.test(key)) throw new Error('not a key of the blob store');
}

/** @throws RangeError unless both are whole numbers from 0 and the end is not before the start */
export function checkRange({ start = 0, end = start }: BlobRange): void {
  if (!isPosition(start) || !isPosition(end) || end < start) throw new RangeError('not a range of bytes');
}

const isPosition = (n: number) => Number.isSafeInteger(n) && n >= 0;
