/** Changes as they are written: what would take too much room keeps its short fields, and the names of the rest. */
import type { Difference } from './difference.ts';
import type { Fields } from './fields.ts';

/** Of JSON. */
export interface Limits {
  readonly ofOne: number;
  readonly ofAll: number;
}

/** A field that is always told: names, flags, types. */
const shortBytes = 256;

const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value) ?? '');

export function shortened(
  differences: readonly Difference[],
  { ofOne, ofAll }: Limits,
): (Difference & { readonly place: number })[] {
  let left = ofAll;
  return differences.map((difference, place) => {
    const bytes = bytesOf(difference.before) + bytesOf(difference.after);
    const whole = bytes <= Math.min(ofOne, left);
    const { before, after } = difference;
    const kept = whole ? difference : { ...difference, before: shortOf(before, left), after: shortOf(after, left) };
    left -= bytesOf(kept.before) + bytesOf(kept.after);
    return { place, ...kept };
  });
}

function shortOf(fields: Fields | null, left: number): Fields | null {
  if (!fields) return fields;
  const entries = Object.entries(fields);
  const short = entries.filter(([key, value]) => bytesOf(value) <= shortBytes && (left > 0 || key === 'name'));
  const leftOut = entries.filter((entry) => !short.includes(entry)).map(([key]) => key);
  return leftOut.length === 0 ? fields : { ...Object.fromEntries(short), leftOut };
}
