/** Each test that docs/threat-model.md names is there, under that name, and no door is without one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '..');
const page = readFileSync(join(root, 'docs/threat-model.md'), 'utf8');
const named = [...page.matchAll(/`(test\/[^`]+\.test\.ts)`: “([^”]+)”/g)].map(([, file = '', title = '']) => ({
  file,
  title,
}));

/** As a title stands in the source: between quotes, as that of a test or of a group of them. */
function isThere({ file, title }: { file: string; title: string }): boolean {
  try {
    const source = readFileSync(join(root, file), 'utf8');
    return [`'${title}'`, `"${title}"`, `\`${title}\``].some((quoted) => source.includes(quoted));
  } catch {
    return false;
  }
}

test('every test that the threat model names is there', () => {
  expect(named.length).toBeGreaterThan(60);
  expect(named.filter((each) => !isThere(each))).toEqual([]);
});

test('every door has a test that keeps it shut, and every line of one names it', () => {
  const doors = page.split(/^## /m).slice(1, -1);
  expect(doors.filter((door) => !door.includes('`test/')).map((door) => door.split('\n')[0])).toEqual([]);
  const lines = doors.flatMap((door) => door.split('\n').filter((line) => line.startsWith('- ')));
  expect(lines.filter((line) => !/`test\/[^`]+`: “[^”]+”$/.test(line))).toEqual([]);
});
