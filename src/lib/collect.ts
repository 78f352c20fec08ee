/**
 * Collections of garbage on request. V8 counts the bytes of buffers for little: where they are large and soon let go, it
 * lets them lie, or goes over the whole heap for their sake, when those who use them know better.
 */
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// The function is given to contexts that are made behind the flag.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

/** What was made lately and is let go: a millisecond, however large the heap. */
export const collectYoung = (): void => collect({ type: 'minor' });

/** Everything: some milliseconds for each ten megabytes of the heap. */
export const collectAll = (): void => collect();

/** What may pile up of what outlived a young collection by chance, before it is looked for. */
const mayGrowBytes = 24 * 2 ** 20;
let least = Number.POSITIVE_INFINITY;

/**
 * Everything, where the heap has grown since it was small: V8 alone lets it double or triple first. For work that makes
 * garbage for minutes, between two of its pieces.
 */
export function collectGrown(): void {
  const used = () => getHeapStatistics().used_heap_size;
  const now = used();
  if (now > least + mayGrowBytes) {
    collectAll();
    least = used();
  } else least = Math.min(least, now);
}
