/**
 * Which words of a search each of many things answers, and how surely. Most things answer none: they cost nothing. Plain
 * arrays, as those who read them look at hundreds of thousands of things in a search.
 */
import type { Terms } from './search-text.ts';

/** From the surest to the least sure: the word, a beginning of it, one edit of it, more edits or a beginning that is nearly it. */
export type Way = 'exact' | 'prefix' | 'near' | 'far';

export interface Answers {
  /** Of each thing two ways in one number, 16 words each: `exact`, and `prefix` in the upper half; `near`, and `far`. */
  sure: Uint32Array;
  unsure: Uint32Array;
  /** Those that answer any word, in the order in which they did: the first `count`. */
  touched: Uint32Array;
  count: number;
}

/** Things that answer the same words: those from `from` to `to` of `things`. */
export interface Group {
  readonly terms: Terms;
  readonly things: Uint32Array;
  readonly from: number;
  readonly to: number;
}

export const createAnswers = (): Answers => ({
  sure: new Uint32Array(0),
  unsure: new Uint32Array(0),
  touched: new Uint32Array(0),
  count: 0,
});

/** Forgets the last things; now there are `size` of them. */
export function beginAnswers(answers: Answers, size: number): void {
  const { sure, unsure, touched, count } = answers;
  for (let place = 0; place < count; place += 1) {
    sure[touched[place]!] = 0;
    unsure[touched[place]!] = 0;
  }
  answers.count = 0;
  if (size <= touched.length) return;
  answers.sure = new Uint32Array(size);
  answers.unsure = new Uint32Array(size);
  answers.touched = new Uint32Array(size);
}

/** The things from `from` to `to` of a list answer these words. */
export function addAnswers(
  answers: Answers,
  way: Way,
  things: Uint32Array,
  from: number,
  to: number,
  terms: Terms,
): void {
  const { sure, unsure, touched } = answers;
  const into = way === 'exact' || way === 'prefix' ? sure : unsure;
  const bits = way === 'prefix' || way === 'far' ? terms << 16 : terms;
  let { count } = answers;
  for (let place = from; place < to; place += 1) {
    const thing = things[place]!;
    if ((sure[thing]! | unsure[thing]!) === 0) {
      touched[count] = thing;
      count += 1;
    }
    into[thing]! |= bits;
  }
  answers.count = count;
}

const eitherHalf = (bits: number): Terms => (bits | (bits >>> 16)) & 0xffff;

export const termsOf = ({ sure, unsure }: Answers, thing: number): Terms => eitherHalf(sure[thing]! | unsure[thing]!);
export const exactTermsOf = ({ sure }: Answers, thing: number): Terms => sure[thing]! & 0xffff;
/** Exactly or by a beginning. */
export const sureTermsOf = ({ sure }: Answers, thing: number): Terms => eitherHalf(sure[thing]!);
export const nearTermsOf = ({ unsure }: Answers, thing: number): Terms => unsure[thing]! & 0xffff;

/** All that answer anything, where that is one word. */
export const wholeGroup = ({ touched, count }: Answers, terms: Terms): Group => ({
  terms,
  things: touched,
  from: 0,
  to: count,
});

/** It keeps its room: groups are read before the next ones are asked for. */
export function createGrouper() {
  /** By words: the number of their group, 0 where they have none yet. */
  const numbers = new Uint16Array(2 ** 16);
  let things = new Uint32Array(0);

  /** In the order in which the first thing of each answered. */
  return (answers: Answers): Group[] => {
    const { touched, count } = answers;
    const terms: Terms[] = [];
    const sizes: number[] = [];
    for (let place = 0; place < count; place += 1) {
      const its = termsOf(answers, touched[place]!);
      if (numbers[its] === 0) numbers[its] = terms.push(its);
      sizes[numbers[its]! - 1] = (sizes[numbers[its]! - 1] ?? 0) + 1;
    }
    if (count > things.length) things = new Uint32Array(touched.length);
    let end = 0;
    const next = sizes.map((size) => {
      end += size;
      return end - size;
    });
    for (let place = 0; place < count; place += 1) {
      const thing = touched[place]!;
      const group = numbers[termsOf(answers, thing)]! - 1;
      things[next[group]!] = thing;
      next[group]! += 1;
    }
    for (const its of terms) numbers[its] = 0;
    return terms.map((its, group) => ({ terms: its, things, from: next[group]! - sizes[group]!, to: next[group]! }));
  };
}
