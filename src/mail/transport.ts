/** How a mail leaves this server: the contract of smtp.ts and folder.ts. When it is tried again is decided in postman.ts. */

export interface Address {
  readonly name: string | null;
  readonly address: string;
}

export interface Mail {
  /** A UUID; the same at every attempt, and with it the Message-ID. */
  readonly id: string;
  readonly template: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  /** What the mail asks its reader to open; it holds a token. */
  readonly link: string | null;
  readonly queuedAt: Date;
}

export interface MailTransport {
  /**
   * Resolves when another program, or the disk, has the mail. @throws MailRefused for what no further attempt changes,
   * any other error for what one may, the signal's reason when it aborts
   */
  send(mail: Mail, signal: AbortSignal): Promise<void>;
}

/** The server will not have this mail, today or tomorrow. */
export class MailRefused extends Error {
  override readonly name = 'MailRefused';
}
