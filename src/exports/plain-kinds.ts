/** Which values need no look at their text before they stand between quotes or commas. */
import type { ExportType } from './format.ts';

/** Their text is digits, letters, blanks and `+-:.`: no format of text escapes any of it. */
const plainKinds: ReadonlySet<ExportType['kind']> = new Set([
  'boolean',
  'int16',
  'int32',
  'int64',
  'decimal',
  'float32',
  'float64',
  'uuid',
  'date',
  'time',
  'timetz',
  'timestamp',
  'timestamptz',
  'interval',
]);

export const isPlain = ({ kind }: ExportType): boolean => plainKinds.has(kind);
