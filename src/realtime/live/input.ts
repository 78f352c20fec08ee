/** What may be kept live at all: checked before anything is asked. */
import { badInput, type FieldFault } from '../../lib/errors.ts';
import { isDeeperThan, maxJsonDepth, valuesIn } from '../../lib/json-depth.ts';

export const liveInputLimits = {
  /** It is parsed here, and for the time of that nothing else is done. */
  sqlBytes: 65_536,
  parameters: 1_000,
  /** As JSON. */
  parametersBytes: 65_536,
  rows: 10_000,
  keyColumns: 100,
} as const;

export interface LiveInput {
  readonly sql: string;
  readonly parameters: readonly unknown[];
  readonly maxRows: number;
  /** Null: found from the catalogue. */
  readonly key: readonly string[] | null;
}

/** @throws AppError BAD_USER_INPUT with all that is wrong */
export function checkLiveInput({ sql, parameters, maxRows, key }: LiveInput): void {
  const faults: FieldFault[] = [];
  const check = (sound: boolean, path: string, message: string) => {
    if (!sound) faults.push({ path, message });
  };
  const { sqlBytes, rows, keyColumns, parameters: most, parametersBytes } = liveInputLimits;
  check(sql.trim() !== '', 'sql', 'must not be empty');
  check(Buffer.byteLength(sql) <= sqlBytes, 'sql', `at most ${sqlBytes} bytes`);
  check(isText(sql), 'sql', 'must not hold the character NUL or half a surrogate pair');
  check(parameters.length <= most, 'parameters', `at most ${most}`);
  if (isDeeperThan(parameters as unknown, maxJsonDepth, valuesIn))
    check(false, 'parameters', `at most ${maxJsonDepth} levels deep`);
  else {
    const encoded = JSON.stringify(parameters);
    check(Buffer.byteLength(encoded) <= parametersBytes, 'parameters', `at most ${parametersBytes} bytes`);
    check(isTextInside(parameters), 'parameters', 'must not hold the character NUL or half a surrogate pair');
  }
  check(Number.isInteger(maxRows) && maxRows >= 1 && maxRows <= rows, 'maxRows', `from 1 to ${rows}`);
  check(key === null || (key.length >= 1 && key.length <= keyColumns), 'key', `1 to ${keyColumns} columns`);
  if (faults.length > 0) throw badInput(...(faults as [FieldFault]));
}

/** PostgreSQL's text knows neither. */
const isText = (text: string): boolean => !text.includes('\0') && text.isWellFormed();

/** @param value no deeper than maxJsonDepth */
function isTextInside(value: unknown): boolean {
  if (typeof value === 'string') return isText(value);
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, inner]) => isText(name) && isTextInside(inner));
}
