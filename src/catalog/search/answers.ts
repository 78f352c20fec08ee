/** Which words of a search each of many things answers, and how surely. Most things answer none: they cost nothing. */
import type { Terms } from './search-text.ts';

/** From the surest to the least sure: the word, a beginning of it, one edit of it, more edits or a beginning that is nearly it. */
export type Way = 'exact' | 'prefix' | 'near' | 'far';

export type Answers = ReturnType<typeof createAnswers>;

export function createAnswers() {
  // Of each thing two ways in one number, 16 words each: `exact` and `near` in the lower half.
  let sure = new Uint32Array(0);
  let unsure = new Uint32Array(0);
  let touched = new Uint32Array(0);
  let count = 0;

  return {
    /** Forgets the last things; now there are `size` of them. */
    begin(size: number): void {
      for (let place = 0; place < count; place += 1) {
        sure[touched[place]!] = 0;
        unsure[touched[place]!] = 0;
      }
      count = 0;
      if (size <= touched.length) return;
      sure = new Uint32Array(size);
      unsure = new Uint32Array(size);
      touched = new Uint32Array(size);
    },

    /** The things from `from` to `to` of a list answer these words. */
    add(way: Way, things: Uint32Array, from: number, to: number, terms: Terms): void {
      const into = way === 'exact' || way === 'prefix' ? sure : unsure;
      const bits = way === 'prefix' || way === 'far' ? terms << 16 : terms;
      for (let place = from; place < to; place += 1) {
        const thing = things[place]!;
        if ((sure[thing]! | unsure[thing]!) === 0) {
          touched[count] = thing;
          count += 1;
        }
        into[thing]! |= bits;
      }
    },

    of(thing: number): Terms {
      const either = sure[thing]! | unsure[thing]!;
      return (either | (either >>> 16)) & 0xffff;
    },
    exact: (thing: number): Terms => sure[thing]! & 0xffff,
    /** Exactly or by a beginning. */
    sure: (thing: number): Terms => (sure[thing]! | (sure[thing]! >>> 16)) & 0xffff,
    near: (thing: number): Terms => unsure[thing]! & 0xffff,

    /** How many answer any word, and which, in no order. */
    count: () => count,
    touched: () => touched,
  };
}
