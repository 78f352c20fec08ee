/** Both ways for mails to leave, by one suite; and what each has of its own. */
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import PostalMime from 'postal-mime';
import { expect, test } from 'vitest';
import { uuidv7 } from '../../src/lib/ids.ts';
import { Secret } from '../../src/lib/secret.ts';
import { createFolder } from '../../src/mail/folder.ts';
import { createSmtp } from '../../src/mail/smtp.ts';
import { MailRefused } from '../../src/mail/transport.ts';
import { aMail, describeTransport, from, never } from './describe-transport.ts';
import { refusal, startInbox } from './inbox.ts';

const place = { host: '127.0.0.1', secure: false, credentials: null };
const credentials = { user: 'quarry', password: new Secret('hunter2') };

describeTransport('SMTP', async () => {
  // With TLS that nobody vouches for, as most servers on the same machine have it.
  const inbox = await startInbox({ hideSTARTTLS: false });
  return {
    transport: createSmtp({ place: { ...place, port: inbox.port }, from }),
    next: inbox.next,
    [Symbol.asyncDispose]: inbox[Symbol.asyncDispose],
  };
});

describeTransport('a folder', async () => {
  const folder = await openFolder();
  const { transport } = folder;
  const mails: string[] = [];
  return {
    transport: {
      async send(mail, signal) {
        await transport.send(mail, signal);
        mails.push(mail.id);
      },
    },
    next: async () => PostalMime.parse(await readFile(join(folder.directory, `${mails.shift()}.eml`))),
    [Symbol.asyncDispose]: folder[Symbol.asyncDispose],
  };
});

async function openFolder(options: { maxFiles?: number } = {}) {
  const parent = await mkdtemp(join(tmpdir(), 'quarry-mail-'));
  const directory = join(parent, 'outbox');
  const lines: string[] = [];
  const log = pino({}, { write: (line) => void lines.push(line) });
  return {
    directory,
    lines,
    transport: createFolder({ directory, from, log, ...options }),
    [Symbol.asyncDispose]: () => rm(parent, { recursive: true }),
  };
}

test('a mail in the folder is for its owner’s eyes, and its link is in the log', async () => {
  await using folder = await openFolder();
  const mail = aMail();
  await folder.transport.send(mail, never);
  expect((await stat(folder.directory)).mode & 0o777).toBe(0o700);
  expect((await stat(join(folder.directory, `${mail.id}.eml`))).mode & 0o777).toBe(0o600);
  expect(JSON.parse(folder.lines[0]!)).toMatchObject({
    msg: 'mail.written',
    template: 'verification',
    link: mail.link,
  });
});

test('the folder keeps the newest mails, and what is not of Quarry’s making', async () => {
  await using folder = await openFolder({ maxFiles: 2 });
  const mails = Array.from({ length: 4 }, () => aMail());
  await folder.transport.send(mails[0]!, never);
  await writeFile(join(folder.directory, 'a.eml'), 'mine');
  for (const mail of mails.slice(1)) await folder.transport.send(mail, never);
  const kept = mails.slice(2).map(({ id }) => `${id}.eml`);
  expect((await readdir(folder.directory)).sort()).toEqual([...kept, 'a.eml'].sort());
});

test('a server that will not have a mail has refused it for good, and its words are not repeated', async () => {
  const answers = [550, 451];
  await using inbox = await startInbox({
    accept: (recipient) => Promise.reject(refusal(answers.shift()!, `5.1.1 <${recipient}> is nobody here`)),
  });
  const transport = createSmtp({ place: { ...place, port: inbox.port }, from });
  const refused = await transport.send(aMail(), never).catch((error) => error);
  expect(refused).toBeInstanceOf(MailRefused);
  expect(refused.message).toBe('EENVELOPE: RCPT TO was answered 550 5.1.1');
  const later = await transport.send(aMail(), never).catch((error) => error);
  expect(later).not.toBeInstanceOf(MailRefused);
  expect(String(later)).not.toContain('ann@');
});

test('no server is a failure that may pass', async () => {
  const closed = await startInbox();
  await closed[Symbol.asyncDispose]();
  const failure = createSmtp({ place: { ...place, port: closed.port }, from }).send(aMail(), never);
  await expect(failure).rejects.toThrow('ECONNREFUSED');
  await expect(failure).rejects.not.toBeInstanceOf(MailRefused);
});

test('a user and password sign in, and a wrong one is a failure that may pass', async () => {
  const seen: unknown[] = [];
  await using inbox = await startInbox({
    authOptional: false,
    allowInsecureAuth: true,
    onAuth({ username, password }, _session, callback) {
      seen.push([username, password]);
      if (password === 'hunter2') callback(null, { user: username });
      else callback(new Error('no'));
    },
  });
  const { port } = inbox;
  await createSmtp({ place: { ...place, port, credentials }, from }).send(aMail(), never);
  await inbox.next();
  expect(seen).toEqual([['quarry', 'hunter2']]);
  const wrong = { user: 'quarry', password: new Secret('guess') };
  const failure = createSmtp({ place: { ...place, port, credentials: wrong }, from }).send(aMail(), never);
  await expect(failure).rejects.toThrow('EAUTH');
  await expect(failure).rejects.not.toBeInstanceOf(MailRefused);
});

test('a password does not leave this machine without TLS', async () => {
  const seen: unknown[] = [];
  await using inbox = await startInbox({
    allowInsecureAuth: true,
    onAuth({ username }, _session, callback) {
      seen.push(username);
      callback(null, { user: username });
    },
  });
  // An address of this machine that does not look like one.
  const host = '::ffff:127.0.0.1';
  const send = createSmtp({ place: { ...place, host, port: inbox.port, credentials }, from }).send(aMail(), never);
  await expect(send).rejects.toThrow();
  expect(seen).toEqual([]);
});

test('a server whose TLS nobody vouches for is not trusted where TLS is asked for', async () => {
  await using inbox = await startInbox({ secure: true });
  const send = createSmtp({ place: { ...place, port: inbox.port, secure: true }, from }).send(
    aMail({ id: uuidv7() }),
    never,
  );
  await expect(send).rejects.toThrow(/certificate|self-signed/);
  expect(inbox.left()).toBe(0);
});
