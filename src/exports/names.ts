/** Names of columns where each may stand once: keys of an object, columns of a table. */

/** The second of a name becomes NAME_2, the third NAME_3 …, past those that a column has already. In order. */
export function uniqueNames(names: readonly string[]): string[] {
  const given = new Set(names);
  const used = new Set<string>();
  const counts = new Map<string, number>();
  return names.map((name) => {
    if (!used.has(name)) {
      used.add(name);
      return name;
    }
    let count = counts.get(name) ?? 1;
    let unique: string;
    do unique = `${name}_${++count}`;
    while (given.has(unique) || used.has(unique));
    counts.set(name, count);
    used.add(unique);
    return unique;
  });
}
