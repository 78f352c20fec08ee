/** Reads lines of COPY's text format, a row each: tabs between the values, `\N` for null, backslashes before the rest. */

/** @param lines whole ones. @throws RangeError for one that has no end, or other than so many values */
export function parseCopyText(lines: Buffer, columns: number): (string | null)[][] {
  const text = lines.toString('utf8');
  const rows: (string | null)[][] = [];
  for (let at = 0; at < text.length; ) {
    // A line feed inside a value is printed as \n.
    const end = text.indexOf('\n', at);
    if (end < 0) throw new RangeError('a line of COPY without an end');
    const line = text.slice(at, end);
    at = end + 1;
    const values = columns === 0 && line === '' ? [] : line.split('\t');
    if (values.length !== columns) throw new RangeError(`a line of COPY with ${values.length} of ${columns} values`);
    rows.push(line.includes('\\') ? values.map(textOf) : values);
  }
  return rows;
}

function textOf(value: string): string | null {
  if (value === '\\N') return null;
  return value.includes('\\')
    ? value.replace(/\\(.)/g, (_, character: string) => controls[character] ?? character)
    : value;
}

/** As CopyAttributeOutText() names them; any other character stands for itself. */
const controls: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };
