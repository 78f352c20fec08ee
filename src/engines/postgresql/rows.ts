/** Turns batches of raw text into cells, in place: a row is made once, by the protocol parser, and never copied. */
import type { Cell } from '../engine.ts';
import { decoderOf, type ValueType } from './types.ts';

export function rowDecoder(types: readonly ValueType[]): (rows: (string | null)[][]) => Cell[][] {
  const decoders = types.flatMap((type, column) => {
    const decode = decoderOf(type);
    return decode === null ? [] : [{ column, decode }];
  });
  return (rows: Cell[][]) => {
    for (const row of rows) {
      for (const { column, decode } of decoders) {
        const text = row[column];
        if (typeof text === 'string') row[column] = decode(text);
      }
    }
    return rows;
  };
}
