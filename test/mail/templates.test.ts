/** What mails say: the same words in both forms, nothing of it markup, links from one place. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import { createKeyring } from '../../src/lib/keyring.ts';
import { Secret } from '../../src/lib/secret.ts';
import { render } from '../../src/mail/layout.ts';
import { createOutbox } from '../../src/mail/outbox.ts';
import { type TemplateName, templates } from '../../src/mail/templates.ts';

const token = `t${'0'.repeat(42)}`;
const expiresAt = new Date('2026-11-21T20:15:00Z');
const link = `https://quarry.example.com/#/page?token=${token}`;

const wordsOf = (text: string) => text.split(/\s+/).filter(Boolean);
const textOf = (html: string) =>
  html
    .replace(/^[\s\S]*<\/h1>/, '')
    .replace(/<a href="([^"]*)"[^>]*>([^<]*)<\/a>/g, '$2: $1')
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('&#39;', "'")
    .replaceAll('&quot;', '"')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');

const values = {
  token,
  expiresAt,
  newEmail: 'ann@new.example',
  project: 'Sales & <b>Co</b>',
  change: 'reset',
  issuer: 'https://issuer.example',
};

test.each(Object.keys(templates) as TemplateName[])('%s says the same as text and as HTML', (name) => {
  const make = templates[name] as (given: unknown, linkTo: () => string) => Parameters<typeof render>[0];
  const mail = render(
    make(values, () => link),
    'quarry.example.com',
  );
  expect(wordsOf(textOf(mail.html))).toEqual(wordsOf(mail.text.replace('-- \n', '')));
  expect(mail.link === null || mail.text.includes(`\n${mail.link}\n`)).toBe(true);
  expect(mail.text).not.toMatch(/undefined|null|\[object/);
});

test('what others typed is no markup', () => {
  const nasty = `</p><img src=x onerror="alert('1')">&amp;`;
  const { html, text } = render(
    { subject: nasty, paragraphs: [nasty], action: { label: nasty, link: `https://x/"><b>`, code: nasty, expiresAt } },
    nasty,
  );
  expect(html).not.toMatch(/<img|<b>|"alert/);
  expect(text).toContain(nasty);
});

test('a link has its token where browsers send it to nobody, below the public address', async () => {
  const rows: unknown[][] = [];
  const client = { query: async (_sql: string, given: unknown[]) => void rows.push(given) } as never;
  const keyring = createKeyring([{ id: 'k1', key: new Secret(randomBytes(32)) }]);
  const outbox = createOutbox({ keyring, publicUrl: new URL('https://example.com/quarry/') });
  await outbox.queue(client, { to: 'ann@example.com', template: 'verification', values });
  const [id, template, sealed] = rows[0] as [string, string, string];
  const mail = outbox.open({ id, template, sealed, queuedAt: new Date() });
  expect(mail?.link).toBe(`https://example.com/quarry/#/verify-email?token=${token}`);
  expect(mail?.to).toBe('ann@example.com');
  expect(mail?.text).toContain('until 21 November 2026 at 20:15 UTC');
});
