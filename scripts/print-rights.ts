/** Prints the table of rights into docs/rights.md, for people. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Relation, type Right, relations, rights } from '../src/accounts/rights-table.ts';

const shown = relations.filter((relation) => relation !== 'stranger');
const meaning: Readonly<Record<(typeof shown)[number], string>> = {
  self: 'it is he, or his; to the server whoever is signed in',
  owner: 'an OWNER of its project, or whose it is where it is in none',
  editor: 'an EDITOR of its project',
  viewer: 'a VIEWER of its project',
  fellow: 'shares a project with him',
  guest: 'anybody who is signed in, to the sample',
  admin: 'an administrator, where he is nothing else to it',
};

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
const byThing = Map.groupBy(Object.entries<Right>(rights), ([action]) => action.split(':')[0] ?? '');
const lines = byThing
  .entries()
  .flatMap(([thing, actions]) => [
    '',
    `## ${thing}`,
    '',
    row(['action', 'may', ...shown, 'API key']),
    row(['---', '---', ...shown.map(() => ':---:'), '---']),
    ...actions.map(([action, { who, key, what }]) =>
      row([
        `\`${action.split(':')[1]}\``,
        what,
        ...shown.map((relation: Relation) => (who.includes(relation) ? '✓' : '')),
        key === null ? 'none' : `from ${key.toUpperCase()}`,
      ]),
    ),
  ]);

writeFileSync(
  fileURLToPath(new URL('../docs/rights.md', import.meta.url)),
  `# Who may do what

Printed from \`src/accounts/rights-table.ts\` by \`npm run check\`; do not edit it here. It is asked at the start of everything
that is done, again when a job starts, when a file is fetched and for the events of a stream. Who is none of these to a thing
may nothing with it, and cannot tell it from one that is not there (NOT_FOUND). Who sees it and may not do something gets FORBIDDEN.

Nobody ever sees a stored password: there is no action for it.

${shown.map((relation) => `- **${relation}**: ${meaning[relation]}`).join('\n')}

The last column is the least scope of an API key that may do it for its user: ANONYMOUS, READ, QUERY, WRITE, ADMIN, in this order.
${[...lines].join('\n')}
`,
);
