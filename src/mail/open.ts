/** Chooses how mails leave. */
import type { Log } from '../lib/log.ts';
import { createFolder } from './folder.ts';
import { createSmtp, type SmtpPlace } from './smtp.ts';
import type { Address, MailTransport } from './transport.ts';

export interface MailPlace {
  /** Null: into a folder. */
  readonly smtp: SmtpPlace | null;
  readonly from: Address;
}

export const openTransport = ({
  smtp,
  from,
  directory,
  log,
}: MailPlace & { directory: string; log: Log }): MailTransport =>
  smtp ? createSmtp({ place: smtp, from }) : createFolder({ directory, from, log });
