/** Places in a stream whose events are numbered: opaque texts for clients. */
import { badInput } from './errors.ts';

export const isPosition = (text: string): boolean => /^(0|[1-9]\d{0,17})$/.test(text);

export const formatPosition = (position: bigint): string => Buffer.from(String(position)).toString('base64url');

/** @throws AppError BAD_USER_INPUT */
export function parsePosition(text: string): bigint {
  const position = Buffer.from(text, 'base64url').toString();
  if (!isPosition(position) || formatPosition(BigInt(position)) !== text)
    throw badInput({ path: 'after', message: 'not a position of this stream' });
  return BigInt(position);
}
