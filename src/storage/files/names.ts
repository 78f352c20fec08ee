/**
 * The names that people give: buckets, paths, media types. They are shown, compared by their bytes and sent in headers;
 * nothing on any disk is called by them. One text has one form: NFC.
 */
import { badInput } from '../../lib/errors.ts';
import { storageLimits } from './limits.ts';

/** Control characters, what turns the direction of a text around, and halves of a surrogate pair, which have no UTF-8. */
const unseen = /[\p{Cc}\p{Cs}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

/** @throws AppError BAD_USER_INPUT */
export function parseBucketName(name: string): string {
  const given = name.trim().normalize('NFC');
  const fault = (message: string) => badInput({ path: 'input.name', message });
  if (given === '') throw fault('at least one character');
  if ([...given].length > storageLimits.bucketNameCharacters)
    throw fault(`at most ${storageLimits.bucketNameCharacters} characters`);
  if (unseen.test(given)) throw fault('text without control characters');
  return given;
}

/** `reports/2026/june.csv`: segments with `/` between. @throws AppError BAD_USER_INPUT */
export function parsePath(path: string, field = 'input.path'): string {
  const given = path.normalize('NFC');
  const fault = (message: string) => badInput({ path: field, message });
  if (given === '') throw fault('at least one character');
  if (unseen.test(given)) throw fault('text without control characters');
  if (Buffer.byteLength(given) > storageLimits.pathBytes)
    throw fault(`at most ${storageLimits.pathBytes} bytes of UTF-8`);
  const segments = given.split('/');
  if (segments.includes('')) throw fault('names with one / between them, none before and none behind');
  if (segments.some((segment) => segment === '.' || segment === '..')) throw fault('no name may be . or ..');
  return given;
}

/** What a listing begins with: a part of a path, which may end anywhere. @throws AppError BAD_USER_INPUT */
export function parsePrefix(prefix: string | null | undefined): string {
  const given = (prefix ?? '').normalize('NFC');
  const fault = (message: string) => badInput({ path: 'prefix', message });
  if (Buffer.byteLength(given) > storageLimits.pathBytes)
    throw fault(`at most ${storageLimits.pathBytes} bytes of UTF-8`);
  if (unseen.test(given)) throw fault('text without control characters');
  return given;
}

/** The last name of a path: what a browser saves it as. */
export const fileNameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
