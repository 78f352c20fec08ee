/**
 * Collections of garbage on request. V8 counts the bytes of buffers for little: where they are large and soon let go, it
 * lets them lie, or goes over the whole heap for their sake, when those who use them know better.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// The function is given to contexts that are made behind the flag.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

/** What was made lately and is let go: a millisecond, however large the heap. */
export const collectYoung = (): void => collect({ type: 'minor' });

/** Everything: some milliseconds for each ten megabytes of the heap. */
export const collectAll = (): void => collect();
