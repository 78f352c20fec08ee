/** Types of PostgreSQL in the words of no engine. */
import type { ExportType, ScalarType } from '../export-type.ts';
import type { ValueType } from './types.ts';

/** @param modifier of the column; that of an array is its elements' */
export function exportTypeOf({ oid, array }: ValueType, modifier: number): ExportType {
  if (array === undefined) return scalarOf(oid, modifier);
  const list = { kind: 'list', of: scalarOf(array.element, modifier) } as const;
  return array.delimiter === ',' ? list : { ...list, delimiter: array.delimiter };
}

const numeric = 1700;

function scalarOf(oid: number, modifier: number): ScalarType {
  if (oid === numeric) return decimalOf(modifier);
  return { kind: kinds[oid] ?? 'other' };
}

/** What numerictypmodin() has packed: the precision above 16 bits, the scale as 11 bits with a sign, behind a header of 4. */
function decimalOf(modifier: number): ScalarType {
  if (modifier < 4) return { kind: 'decimal' };
  const packed = modifier - 4;
  return { kind: 'decimal', precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 };
}

const kinds: Readonly<Record<number, Exclude<ScalarType['kind'], 'decimal' | 'other'>>> = {
  16: 'boolean',
  17: 'binary',
  18: 'text', // "char"
  19: 'text', // name
  20: 'int64',
  21: 'int16',
  23: 'int32',
  25: 'text',
  26: 'int64', // oid, which has no sign
  114: 'json',
  700: 'float32',
  701: 'float64',
  1042: 'text', // char(n)
  1043: 'text',
  1082: 'date',
  1083: 'time',
  1114: 'timestamp',
  1184: 'timestamptz',
  1186: 'interval',
  1266: 'timetz',
  2950: 'uuid',
  3802: 'json', // jsonb
};
