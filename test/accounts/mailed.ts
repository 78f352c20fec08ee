/** A world whose mails arrive at a real SMTP server, and are read there as their reader would. */
import { pino } from 'pino';
import { transaction } from '../../src/db/metadata.ts';
import { createOutbox } from '../../src/mail/outbox.ts';
import { startPostman } from '../../src/mail/postman.ts';
import { createSmtp } from '../../src/mail/smtp.ts';
import { createMailStore } from '../../src/mail/store.ts';
import { type ParsedMail, startInbox } from '../mail/inbox.ts';
import { createWorld, issuer } from './world.ts';

const sentinel = 'sentinel@example.com';

export async function createMailedWorld() {
  const world = await createWorld();
  const inbox = await startInbox();
  const outbox = createOutbox({ keyring: world.keyring, publicUrl: new URL(issuer) });
  const from = { name: 'Quarry', address: 'quarry@quarry.test' };
  const transport = createSmtp({
    place: { host: '127.0.0.1', port: inbox.port, secure: false, credentials: null },
    from,
  });

  /** Sends all that has been caused so far. @returns it, in no order */
  async function mails(): Promise<ParsedMail[]> {
    // Behind all others: when it is there, they are, or are on their way.
    const last = { to: sentinel, template: 'passwordChanged', values: {} } as const;
    await transaction(world.pool, (client) => outbox.queue(client, last));
    const arrived: ParsedMail[] = [];
    const postman = startPostman({
      store: createMailStore({ db: world.pool }),
      outbox,
      transport,
      bus: world.bus,
      log: pino({ level: 'silent' }),
    });
    for (let mail = await inbox.next(); readerOf(mail) !== sentinel; mail = await inbox.next()) arrived.push(mail);
    await postman.stop();
    while (inbox.left() > 0) arrived.push(await inbox.next());
    return arrived;
  }

  return {
    ...world,
    mails,
    /** What has been caused so far is never sent. */
    forgetMails: () => world.sql('DELETE FROM outgoing_mails'),
    /** The one mail that has been caused; others would be a fault. */
    async mail(): Promise<ParsedMail> {
      const [mail, ...others] = await mails();
      if (!mail || others.length > 0) throw new Error(`not one mail: ${JSON.stringify([mail, ...others])}`);
      return mail;
    },
    async [Symbol.asyncDispose]() {
      await inbox[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

export type MailedWorld = Awaited<ReturnType<typeof createMailedWorld>>;

export const readerOf = (mail: ParsedMail): string => mail.to?.[0]?.address ?? '';

/** As the link has it; the text and the HTML have the same one. @throws Error for a mail without */
export function tokenOf(mail: ParsedMail): string {
  const [, token] = /#\/[a-z-]+\?token=([\w-]{43})\b/.exec(mail.text ?? '') ?? [];
  if (!token || !mail.html?.includes(`?token=${token}"`)) throw new Error(`no link in ${mail.subject}`);
  return token;
}
