/** Mails for a server that has no SMTP: each a file that only Quarry's user reads, its link in the log. */
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import type { Log } from '../lib/log.ts';
import { envelopeOf } from './envelope.ts';
import type { Address, MailTransport } from './transport.ts';

export interface FolderDeps {
  directory: string;
  from: Address;
  log: Log;
  /** The oldest go first. */
  maxFiles?: number;
}

/** As they are named here; what is not of our making stays. */
const named = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.eml$/;

export function createFolder({ directory, from, log, maxFiles = 1_000 }: FolderDeps): MailTransport {
  const composer = createTransport({ streamTransport: true, buffer: true, newline: 'windows' });
  return {
    async send(mail, signal) {
      const { message } = await composer.sendMail(envelopeOf(mail, from));
      signal.throwIfAborted();
      await mkdir(directory, { recursive: true, mode: 0o700 });
      // A second attempt writes the same file again.
      const file = join(directory, `${mail.id}.eml`);
      await writeWhole(file, message as Buffer);
      await keepNewest(directory, maxFiles);
      log.info(
        { mailId: mail.id, template: mail.template, file, ...(mail.link && { link: mail.link }) },
        'mail.written',
      );
    },
  };
}

async function writeWhole(file: string, bytes: Buffer): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}

/** Their names rise with time. */
async function keepNewest(directory: string, maxFiles: number): Promise<void> {
  const files = (await readdir(directory)).filter((name) => named.test(name)).sort();
  for (const name of files.slice(0, Math.max(0, files.length - maxFiles)))
    await rm(join(directory, name), { force: true });
}
