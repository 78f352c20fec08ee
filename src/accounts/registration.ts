/** Opens accounts: for whom, and what is said where the address has one already. */
import type pg from 'pg';
import { record } from '../audit/audit.ts';
import { transaction } from '../db/metadata.ts';
import { AppError } from '../lib/errors.ts';
import { encodeId } from '../lib/ids.ts';
import type { AccountMails } from './account-mails.ts';
import type { Admission, RegistrationMode } from './admission.ts';
import type { Attempts } from './attempts.ts';
import type { PasswordHasher } from './password-hasher.ts';
import type { Opened, SignedIn, SignIns } from './sign-ins.ts';
import * as store from './store.ts';
import type { Caller, UserRole } from './viewer.ts';

export interface RegisterInput {
  email: string;
  password: string;
  name?: string | null | undefined;
  /** The one-time token of an invitation, which lets in whatever the mode is. */
  invitationToken?: string | null | undefined;
}

export interface Registration {
  /**
   * Opens an account, the very first one as administrator, and mails what confirms its address. Null where the address
   * must be confirmed before anybody is signed in: then also for an address that has an account, whose owner is told.
   * @throws AppError CONFLICT, FORBIDDEN when registration is closed or takes an invitation, BAD_USER_INPUT for that,
   * RATE_LIMITED
   */
  register(input: RegisterInput, caller: Caller, signal?: AbortSignal): Promise<SignedIn | null>;
}

export interface RegistrationDeps {
  pool: pg.Pool;
  hasher: PasswordHasher;
  signIns: SignIns;
  mails: AccountMails;
  admission: Admission;
  attempts: Pick<Attempts, 'takeRegistration'>;
  settings: { readonly registration: RegistrationMode; readonly requireVerifiedEmail: boolean };
}

export const shut = (registration: RegistrationMode) =>
  new AppError('FORBIDDEN', registration === 'invite' ? 'Registration takes an invitation' : 'Registration is closed');

interface NewAccount {
  readonly email: string;
  readonly name: string | null;
  readonly passwordHash: string;
}

export function createRegistration(deps: RegistrationDeps): Registration {
  const { pool, hasher, signIns, mails, admission, attempts, settings } = deps;

  /** Null where nobody is signed in yet. */
  async function open(
    client: pg.PoolClient,
    account: NewAccount,
    { invitationToken: token, caller }: { invitationToken: string | null; caller: Caller },
  ): Promise<Opened | null> {
    await store.lockRegistration(client);
    const first = !(await store.anyUser(client));
    if (!first && token === null && settings.registration !== 'open') throw shut(settings.registration);
    const invited = token === null ? null : await admission.admit(client, { token, email: account.email });
    const verified = invited?.verified === true;
    const waits = settings.requireVerifiedEmail && !verified;
    const role: UserRole = first ? 'admin' : (invited?.role ?? 'member');
    const id = await store.insertUser(client, { ...account, role, verified });
    if (id === null && waits) return repeat(client, account, caller);
    if (id === null) throw new AppError('CONFLICT', 'There is an account with this address');
    if (!verified) await mails.send(client, 'verification', { id, email: account.email });
    if (!waits) await store.noteSignIn(client, id, account.passwordHash);
    await invited?.welcome?.(id, caller);
    const opened = waits ? null : await signIns.open(client, id, role, caller);
    await record(client, {
      actorId: id,
      action: 'user.registered',
      subject: encodeId('User', id),
      outcome: 'success',
      caller,
      details: { role },
    });
    return opened;
  }

  /** The address has an account: whoever reads its mail is told, and nobody else can tell. */
  async function repeat(client: pg.PoolClient, account: NewAccount, caller: Caller): Promise<null> {
    const known = await store.findSignIn(client, account.email);
    // One that nobody was ever in is opened again, or whoever took somebody's address first would choose his password.
    const fresh = known && !known.used && !known.verified;
    const reader = fresh ? { id: known.id, email: account.email } : known;
    const kind = known?.verified ? 'accountExists' : 'verification';
    const sent = await mails.send(client, kind, known?.disabled ? null : reader);
    // The last mail's words count: without one, the link that its reader has stays that of the words before.
    if (fresh && sent) await store.reopenUser(client, known.id, account);
    await record(client, {
      actorId: null,
      action: 'user.registration_repeated',
      subject: known && encodeId('User', known.id),
      outcome: 'failure',
      caller,
    });
    return null;
  }

  return {
    async register({ email, password, name = null, invitationToken = null }, caller, signal) {
      // Asked again behind the lock; here it saves the hash.
      if (settings.registration !== 'open' && invitationToken === null && (await store.anyUser(pool)))
        throw shut(settings.registration);
      await attempts.takeRegistration(caller);
      const passwordHash = await hasher.hash(password, signal);
      const opened = await transaction(pool, (client) =>
        open(client, { email, name, passwordHash }, { invitationToken, caller }),
      );
      return opened && signIns.tokensOf(opened);
    },
  };
}
