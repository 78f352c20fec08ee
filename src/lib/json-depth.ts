/** How deep JSON is nested, told without walking deeper than it may be: what walks it afterwards cannot end the stack. */

/** Lists and objects within each other. */
export const maxJsonDepth = 100;

/** @param inner what a list or an object holds; null for any other value */
export function isDeeperThan<T>(value: T, depth: number, inner: (value: T) => readonly T[] | null): boolean {
  const values = inner(value);
  return values !== null && (depth === 0 || values.some((one) => isDeeperThan(one, depth - 1, inner)));
}

export const valuesIn = (value: unknown): readonly unknown[] | null =>
  typeof value === 'object' && value !== null ? Object.values(value) : null;
