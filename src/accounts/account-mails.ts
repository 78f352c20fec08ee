/** The mails that an account causes. Those with a token: so many an hour, and the same work where there is nobody. */
import type { Executor } from '../db/metadata.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Outbox } from '../mail/outbox.ts';
import { issueToken, type TokenPurpose, tokensOfLastHour } from './one-time-tokens.ts';

export interface Addressee {
  /** The account's UUID. */
  readonly id: string;
  readonly email: string;
}

/** Of one purpose to one account: nobody’s inbox is filled by whoever knows his address. */
export const maxTokenMailsPerHour = 5;

const kinds = {
  verification: { purpose: 'email.verify', lifetimeHours: 48 },
  newAddress: { purpose: 'email.verify', lifetimeHours: 48 },
  passwordReset: { purpose: 'password.reset', lifetimeHours: 1 },
  accountExists: { purpose: 'password.reset', lifetimeHours: 1 },
} as const satisfies Record<string, { purpose: TokenPurpose; lifetimeHours: number }>;

export interface AccountMails {
  /**
   * Inside a transaction. Issues a token and queues the mail that carries it.
   * @param to null: for nobody, at the same cost. @returns false where there were too many, so that none is sent
   */
  send(client: Executor, kind: keyof typeof kinds, to: Addressee | null): Promise<boolean>;
  /** As send(), and counted alike, but nobody is mailed: where the answer must not tell why not. */
  withhold(client: Executor, kind: keyof typeof kinds, from: Addressee): Promise<boolean>;
  /** Inside a transaction. Tells the owner what has happened. */
  tellPasswordChanged(client: Executor, email: string): Promise<void>;
  /** Of an account that nobody had confirmed, with its new password. */
  tellFactorOutlived(client: Executor, email: string): Promise<void>;
  tellAddressChanging(client: Executor, email: string, newEmail: string): Promise<void>;
}

export function createAccountMails({ outbox }: { outbox: Pick<Outbox, 'queue'> }): AccountMails {
  /** @param wanted whose token it is, and who counts it. @returns false where there were too many */
  async function issue(
    client: Executor,
    kind: keyof typeof kinds,
    { wanted, reader }: { wanted: Addressee; reader: string | null },
  ): Promise<boolean> {
    const { purpose, lifetimeHours } = kinds[kind];
    const tooMany = (await tokensOfLastHour(client, { purpose, subjectId: wanted.id })) >= maxTokenMailsPerHour;
    // What is there stays good: too many of them must not be told from none by the time that they take.
    const { id: subjectId, email } = tooMany ? nobody() : wanted;
    const { token, expiresAt } = await issueToken(client, { purpose, subjectId, email, lifetimeHours });
    const to = tooMany ? null : reader;
    await outbox.queue(client, { to, template: kind, values: { token, expiresAt }, until: expiresAt });
    return !tooMany;
  }

  return {
    send: (client, kind, to) => issue(client, kind, { wanted: to ?? nobody(), reader: to?.email ?? null }),
    withhold: (client, kind, from) => issue(client, kind, { wanted: from, reader: null }),
    tellPasswordChanged: (client, to) => outbox.queue(client, { to, template: 'passwordChanged', values: {} }),
    tellFactorOutlived: (client, to) =>
      outbox.queue(client, { to, template: 'secondFactorChanged', values: { change: 'outlived' } }),
    tellAddressChanging: (client, to, newEmail) =>
      outbox.queue(client, { to, template: 'addressChanging', values: { newEmail } }),
  };
}

const nobody = (): Addressee => ({ id: uuidv7(), email: 'nobody@example.invalid' });
