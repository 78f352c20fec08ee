/**
 * Typing errors: how many letters were left out, put in, mistaken or swapped with their neighbour (optimal string
 * alignment: no letter is changed twice). Texts are UTF-16 code units.
 */

/** From so many letters on a word may be mistyped. Digits never are: another number is another thing. */
const oneEditFrom = 4;
const twoEditsFrom = 8;

export function editsAllowed(term: string): 0 | 1 | 2 {
  if (term.length < oneEditFrom || /^\p{N}+$/u.test(term)) return 0;
  return term.length < twoEditsFrom ? 1 : 2;
}

/** A bit for each letter that is in it; several letters share one, so it tells only what cannot be. */
export function lettersOf(text: string): number {
  let letters = 0;
  for (let place = 0; place < text.length; place += 1) letters |= 1 << (text.charCodeAt(place) & 31);
  return letters >>> 0;
}

export function countBits(bits: number): number {
  let count = bits - ((bits >>> 1) & 0x55555555);
  count = (count & 0x33333333) + ((count >>> 2) & 0x33333333);
  return (((count + (count >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

export type EditMeter = ReturnType<typeof createEditMeter>;

/** Finds how far words are from one term, one after the other: it owns the rows of its table. */
export function createEditMeter(term: string, maxEdits: number) {
  const letters = Uint16Array.from({ length: term.length }, (_, place) => term.charCodeAt(place));
  const { length } = term;
  let before = new Uint16Array(length + 1);
  let last = new Uint16Array(length + 1);
  let row = new Uint16Array(length + 1);
  let begun = 0;

  return {
    /** Edits between the term and the word that is `units` from `from` to `to`; beyond `maxEdits`, any greater number. */
    measure(units: Uint16Array, from: number, to: number): number {
      for (let column = 0; column <= length; column += 1) last[column] = column;
      begun = length;
      for (let place = from; place < to; place += 1) {
        const unit = units[place]!;
        let least = place - from + 1;
        row[0] = least;
        for (let column = 1; column <= length; column += 1) {
          let edits = last[column - 1]! + (letters[column - 1] === unit ? 0 : 1);
          if (last[column]! + 1 < edits) edits = last[column]! + 1;
          if (row[column - 1]! + 1 < edits) edits = row[column - 1]! + 1;
          const swapped =
            column > 1 && place > from && letters[column - 2] === unit && letters[column - 1] === units[place - 1];
          if (swapped && before[column - 2]! + 1 < edits) edits = before[column - 2]! + 1;
          row[column] = edits;
          if (edits < least) least = edits;
        }
        if (row[length]! < begun) begun = row[length]!;
        // A swap looks back two rows, and makes one edit of two: so one more than allowed does not end it.
        if (least > maxEdits + 1) return least;
        const free = before;
        before = last;
        last = row;
        row = free;
      }
      return last[length]!;
    },
    /** Edits between the term and the beginning of the word last measured that is nearest to it. */
    begun: () => begun,
  };
}
