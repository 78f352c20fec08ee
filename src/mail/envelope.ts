/** A mail as nodemailer takes it, the same for every transport. */
import type { SendMailOptions } from 'nodemailer';
import type { Address, Mail } from './transport.ts';

/** Its Message-ID tells receivers that two copies are one mail. */
export function envelopeOf(mail: Mail, from: Address): SendMailOptions {
  return {
    messageId: `<${mail.id}@${from.address.slice(from.address.lastIndexOf('@') + 1)}>`,
    // Objects, so that nothing in a name or an address is read as a list of others.
    from: { name: from.name ?? '', address: from.address },
    to: { name: '', address: mail.to },
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    date: mail.queuedAt,
    // No holiday notice answers this (RFC 3834).
    headers: { 'auto-submitted': 'auto-generated', 'x-auto-response-suppress': 'All' },
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}
