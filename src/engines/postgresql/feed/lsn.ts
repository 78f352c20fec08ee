/** Places in PostgreSQL's log: as positions of the contract, which are 16 hexadecimal digits, and as SQL writes them. */
import type { CommitPosition } from '../../changes.ts';

export const firstPosition: CommitPosition = '0'.repeat(16);

/** From `16/B374D848`. */
export function positionOf(lsn: string): CommitPosition {
  const [high = '', low = ''] = lsn.split('/');
  return high.toLowerCase().padStart(8, '0') + low.toLowerCase().padStart(8, '0');
}

/** As SQL writes it. */
export const lsnOf = (position: CommitPosition): string =>
  `${unpadded(position.slice(0, 8))}/${unpadded(position.slice(8))}`;

/** The place before: where records begin from `lsn` on, all before it has been told. */
export const before = (lsn: CommitPosition): CommitPosition => moved(lsn, -1n);

/** The first place that is wanted when all up to this one has been told. */
export const after = (position: CommitPosition): CommitPosition => moved(position, 1n);

/** What the server takes for "I have all up to here": the first byte that is still wanted. */
export const flushedUpTo = (position: CommitPosition): bigint => BigInt(`0x${after(position)}`);

export const later = (a: CommitPosition, b: CommitPosition): CommitPosition => (a > b ? a : b);

const unpadded = (digits: string): string => digits.replace(/^0+(?=.)/, '').toUpperCase();

export function moved(position: CommitPosition, by: bigint): CommitPosition {
  const value = BigInt(`0x${position}`) + by;
  return value < 0n ? firstPosition : value.toString(16).padStart(16, '0');
}
