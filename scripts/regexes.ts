/**
 * Every regular expression of the sources against a checker of exponential and polynomial time, which is asked as pure
 * JavaScript. What is put together at run time is not seen.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import ts from 'typescript';

/** As much of `recheck` as is asked. https://makenowjust-labs.github.io/recheck/docs/usage/diagnostics/ */
interface Diagnostics {
  readonly status: 'safe' | 'vulnerable' | 'unknown';
  readonly complexity?: { readonly type: string; readonly summary: string };
}
type Check = (source: string, flags: string, options: { timeout: number }) => Diagnostics;

export interface Regexes {
  readonly checked: number;
  /** Of more than linear time, or not decided: each with where it is. */
  readonly faults: readonly string[];
}

/** Of polynomial time, and never shown anything long: by where it comes from. */
const shownLittle: Readonly<Record<string, string>> = {
  "/^'+|'+$/g": 'the name of a sheet',
  "/[\\s']+$/": '31 characters of the name of a sheet',
  '/^(?:"?([^"<>\\p{Cc}]{0,100}?)"?\\s*<([^\\s<>@"]+@[^\\s<>@"]+)>|([^\\s<>@"]+@[^\\s<>@"]+))$/u': 'MAIL_FROM',
};

/** For one of them. */
const timeoutMs = 10_000;

/** Null where the checker is not installed, as `npm ci --prefix bench` does it. */
export function checkRegexes(root: string): Regexes | null {
  const check = checker();
  if (!check) return null;
  const literals = literalsOf(root);
  const faults: string[] = [];
  for (const [literal, place] of literals) {
    const end = literal.lastIndexOf('/');
    const { status, complexity } = check(literal.slice(1, end), literal.slice(end + 1), { timeout: timeoutMs });
    if (status === 'safe' || (complexity?.type === 'polynomial' && literal in shownLittle)) continue;
    faults.push(`${place}: ${literal} is ${complexity?.summary ?? status}`);
  }
  return { checked: literals.size, faults };
}

function checker(): Check | null {
  try {
    const bench = createRequire(new URL('../bench/package.json', import.meta.url));
    const { checkSync } = bench('recheck/lib/browser.js') as { checkSync: Check };
    return checkSync;
  } catch {
    return null; // It is said, and is no pass.
  }
}

/** Each once, with the first place where it is. */
function literalsOf(root: string): Map<string, string> {
  const listed = execFileSync('git', ['ls-files', 'src', 'scripts', 'prisma'], { cwd: root, encoding: 'utf8' });
  const files = listed.split('\n').filter((file) => /\.(ts|mjs)$/.test(file) && !file.includes('/generated/'));
  const literals = new Map<string, string>();
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, false);
    const visit = (node: ts.Node): void => {
      if (ts.isRegularExpressionLiteral(node) && !literals.has(node.text)) {
        const { line } = source.getLineAndCharacterOfPosition(node.end);
        literals.set(node.text, `${file}:${line + 1}`);
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return literals;
}
