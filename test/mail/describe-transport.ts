/** What every way for mails to leave has to do. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { uuidv7 } from '../../src/lib/ids.ts';
import type { Address, Mail, MailTransport } from '../../src/mail/transport.ts';
import type { ParsedMail } from './inbox.ts';

export const from: Address = { name: 'Quärry', address: 'quarry@quarry.example' };
export const never = new AbortController().signal;

export const aMail = (change: Partial<Mail> = {}): Mail => ({
  id: uuidv7(),
  template: 'verification',
  to: 'ann@example.com',
  subject: 'Grüße — “quoted”',
  text: `Käse\n\nhttp://quarry.test/#/verify-email?token=${'a'.repeat(43)}\n`,
  html: `<p>Käse</p><a href="http://quarry.test/#/verify-email?token=${'a'.repeat(43)}">go</a>\n`,
  link: `http://quarry.test/#/verify-email?token=${'a'.repeat(43)}`,
  queuedAt: new Date('2026-11-21T20:00:00Z'),
  ...change,
});

export interface OpenedTransport extends AsyncDisposable {
  transport: MailTransport;
  /** The next mail that arrives. */
  next(): Promise<ParsedMail>;
}

export function describeTransport(name: string, open: () => Promise<OpenedTransport>): void {
  describe(`mails by ${name}`, () => {
    let opened: OpenedTransport;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened?.[Symbol.asyncDispose]());

    test('arrive whole, as text and as HTML', async () => {
      const mail = aMail();
      await opened.transport.send(mail, never);
      const arrived = await opened.next();
      expect(arrived).toMatchObject({
        subject: mail.subject,
        from,
        to: [{ address: mail.to }],
        messageId: `<${mail.id}@quarry.example>`,
        date: '2026-11-21T20:00:00.000Z',
      });
      expect(arrived.text?.replaceAll('\r\n', '\n').trim()).toBe(mail.text.trim());
      expect(arrived.html?.replaceAll('\r\n', '\n').trim()).toBe(mail.html.trim());
      expect(arrived.headers).toContainEqual(
        expect.objectContaining({ key: 'auto-submitted', value: 'auto-generated' }),
      );
    });

    test('keep their Message-ID at a second attempt', async () => {
      const mail = aMail();
      for (let attempt = 0; attempt < 2; attempt += 1) await opened.transport.send(mail, never);
      expect((await opened.next()).messageId).toBe((await opened.next()).messageId);
    });

    test('cannot be given another header or another reader', async () => {
      await opened.transport.send(aMail({ subject: 'Hello\r\nBcc: eve@example.com' }), never);
      const arrived = await opened.next();
      expect(arrived.headers.map(({ key }) => key)).not.toContain('bcc');
      expect(arrived.to).toHaveLength(1);
    });

    test('are given up with their signal', async () => {
      const gone = AbortSignal.abort(new Error('gone'));
      await expect(opened.transport.send(aMail(), gone)).rejects.toThrow('gone');
    });
  });
}
