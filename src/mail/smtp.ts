/** Mails by an SMTP server: one connection each, closed with its mail. */
import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import type { Secret } from '../lib/secret.ts';
import { envelopeOf } from './envelope.ts';
import { type Address, MailRefused, type MailTransport } from './transport.ts';

export interface SmtpPlace {
  readonly host: string;
  readonly port: number;
  /** TLS from the first byte; otherwise by STARTTLS where the server has it. */
  readonly secure: boolean;
  readonly credentials: { readonly user: string; readonly password: Secret } | null;
}

export interface SmtpDeps {
  place: SmtpPlace;
  from: Address;
}

const connectionTimeoutMs = 10_000;
/** Without a byte from the server. */
const socketTimeoutMs = 30_000;

export function createSmtp({ place, from }: SmtpDeps): MailTransport {
  const { host, port, secure, credentials } = place;
  // A password goes over a network only behind TLS, also where somebody in between hides that the server has it.
  const requireTLS = credentials !== null && !isThisMachine(host);
  const transporter = createTransport({
    host,
    port,
    secure,
    requireTLS,
    // TLS that nothing asks for is better than none, whoever signed it.
    tls: { rejectUnauthorized: secure || requireTLS },
    ...(credentials && { auth: { user: credentials.user, pass: credentials.password.reveal() } }),
    connectionTimeout: connectionTimeoutMs,
    greetingTimeout: connectionTimeoutMs,
    dnsTimeout: connectionTimeoutMs,
    socketTimeout: socketTimeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  return {
    async send(mail, signal) {
      try {
        await transporter.sendMail({ ...envelopeOf(mail, from), signal });
      } catch (error) {
        signal.throwIfAborted();
        throw isFinal(error as SmtpFault)
          ? new MailRefused(reasonOf(error as SmtpFault))
          : new Error(reasonOf(error as SmtpFault));
      }
    },
  };
}

interface SmtpFault extends Error {
  code?: string;
  command?: string;
  responseCode?: number;
  response?: string;
}

/** 5yz to the recipient or the text (RFC 5321 §4.2.1); to anything before, it is a matter between the servers. */
const isFinal = ({ command, responseCode = 0 }: SmtpFault): boolean =>
  responseCode >= 500 && (command === 'RCPT TO' || command === 'DATA');

/** For the log: without the server's words, which repeat the address or the user's name. */
function reasonOf({ code, command, responseCode, response, message }: SmtpFault): string {
  if (responseCode === undefined) return `${code ?? 'failed'}: ${message}`;
  const [status = ''] = /\b[245]\.\d{1,3}\.\d{1,3}\b/.exec(response ?? '') ?? [];
  return [`${code}: ${command} was answered ${responseCode}`, status].join(' ').trim();
}

const isThisMachine = (host: string): boolean =>
  host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
