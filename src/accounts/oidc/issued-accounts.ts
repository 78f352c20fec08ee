/**
 * Accounts of an OpenID Connect issuer: whose account a token of his is, found by the subject, at first sight by the
 * verified address. Each token, or each session that the issuer names, is a session here that can be listed and ended.
 */
import { createHash, hash } from 'node:crypto';
import type pg from 'pg';
import { record } from '../../audit/audit.ts';
import { transaction } from '../../db/metadata.ts';
import { ringInTransaction } from '../../db/notify.ts';
import type { Bus } from '../../lib/bus.ts';
import { AppError } from '../../lib/errors.ts';
import { encodeId } from '../../lib/ids.ts';
import type { Service } from '../../lib/lifecycle.ts';
import type { Topic } from '../../lib/topics.ts';
import type { Outbox } from '../../mail/outbox.ts';
import type { RegistrationMode } from '../admission.ts';
import { emailKeyOf } from '../email.ts';
import { displayName, emailAddress } from '../inputs.ts';
import { createLiveSessions } from '../live-sessions.ts';
import { refreshTokenDays } from '../refresh-tokens.ts';
import { shut } from '../registration.ts';
import * as accounts from '../store.ts';
import { type Caller, nobody, type UserRole, type Viewer } from '../viewer.ts';
import type { IssuedToken, Issuer, Profile } from './issuer.ts';
import * as store from './store.ts';

export interface IssuedAccountsDeps {
  readonly pool: pg.Pool;
  readonly bus: Pick<Bus<Topic>, 'listen' | 'ringHere'>;
  readonly issuer: Issuer;
  readonly outbox: Pick<Outbox, 'queue'>;
  readonly settings: { readonly registration: RegistrationMode };
  readonly clock?: () => Date;
  /** Tokens that are not verified again, at once. */
  readonly maxKnown?: number;
}

export interface IssuedAccounts extends Service {
  /** As its tokens name it. */
  readonly issuer: string;
  /**
   * Who shows this token; opens the account at first sight.
   * @throws AppError UNAUTHENTICATED; FORBIDDEN for an address that is not verified, an account that is disabled or that
   * would have to be opened, or that another subject of the issuer leads to; CONNECTION_FAILED while the issuer does not answer
   */
  authenticate(token: string): Promise<Viewer>;
}

interface Entered {
  readonly userId: string;
  readonly sessionId: string;
  readonly expiresAt: Date;
}

const ended = () => new AppError('UNAUTHENTICATED', 'The session has ended; sign in again');

/** No password fits it. */
const noPassword = '';

/** An account has its issuer's word for its address. */
const confirmedByIssuer = { requireVerifiedEmail: false } as const;

/** An account of the issuer that does not become that of this user, although it has his address. */
class LinkRefused extends AppError {
  readonly userId: string;

  constructor(userId: string, message: string) {
    super('FORBIDDEN', message);
    this.userId = userId;
  }
}

export function createIssuedAccounts({
  pool,
  bus,
  issuer,
  outbox,
  settings,
  clock = () => new Date(),
  maxKnown = 10_000,
}: IssuedAccountsDeps): IssuedAccounts {
  const sessions = createLiveSessions({
    bus,
    load: (sessionId, userId) => accounts.roleInSession(pool, { sessionId, userId }, confirmedByIssuer),
  });
  /** By the token's hash, so that no token lies in memory; the one that was shown longest ago is first. */
  const known = new Map<string, Entered>();
  /** One token that many requests show at once is looked into once. */
  const entering = new Map<string, Promise<Entered>>();
  /** Refusals that the audit has. */
  const recorded = new Set<string>();

  function keep(key: string, entered: Entered): Entered {
    known.delete(key);
    known.set(key, entered);
    const [oldest] = known.keys();
    if (known.size > maxKnown && oldest !== undefined) known.delete(oldest);
    return entered;
  }

  function remembered(key: string): Entered | null {
    const entered = known.get(key);
    return entered && entered.expiresAt > clock() ? entered : null;
  }

  function once(key: string, token: string): Promise<Entered> {
    const asked = entering.get(key) ?? enter(token).finally(() => entering.delete(key));
    entering.set(key, asked);
    return asked;
  }

  async function enter(token: string): Promise<Entered> {
    const issued = await issuer.verify(token);
    const { expiresAt } = issued;
    const session = await sessionOf(token, issued);
    return { userId: session.userId, sessionId: session.id, expiresAt };
  }

  async function sessionOf(token: string, issued: IssuedToken): Promise<store.IssuedSession> {
    const { subject, sid } = issued;
    const identity = { issuer: issuer.issuer, subject };
    const origin = createHash('sha256')
      .update(JSON.stringify([issuer.issuer, subject, sid, sid === null ? token : null]))
      .digest();
    const until = sid === null ? issued.expiresAt : inDays(clock(), refreshTokenDays);
    const before = await store.findSession(pool, origin, until);
    if (before) return before;
    // Asked before anything is held.
    const profile = (await store.findIdentity(pool, identity)) ? null : await issuer.profile(token, issued);
    const caller: Caller = { ...nobody, userAgent: `OpenID Connect ${issued.client ?? ''}`.trim() };
    const opening = transaction(pool, async (client) => {
      const userId = (await store.findIdentity(client, identity)) ?? (await link(client, identity, profile, caller));
      const state = await store.holdUser(client, userId);
      if (state === 'gone') throw ended();
      // Behind what may have ended the link meanwhile.
      if ((await store.findIdentity(client, identity)) !== userId) throw ended();
      if (state === 'disabled') throw new AppError('FORBIDDEN', 'This account is disabled');
      const meanwhile = await store.findSession(client, origin, until);
      if (meanwhile) return { session: meanwhile, displaced: [] };
      const { id, displaced } = await accounts.insertSession(client, { userId, caller, origin });
      await store.beginSession(client, id, until);
      await ringInTransaction(
        client,
        displaced.map((each) => ['session.revoked', each] as const),
      );
      await audited(client, 'user.login', userId, caller, {});
      return { session: { id, userId }, displaced };
    });
    const opened = await opening.catch(async (error) => {
      if (error instanceof LinkRefused) await recordRefusal(error.userId, subject, caller);
      throw error;
    });
    for (const id of opened.displaced) bus.ringHere('session.revoked', id);
    return opened.session;
  }

  const audited = (
    client: pg.PoolClient,
    action: 'user.registered' | 'user.linked' | 'user.login',
    userId: string,
    caller: Caller,
    details: Record<string, unknown>,
  ) =>
    record(client, {
      actorId: userId,
      action,
      subject: encodeId('User', userId),
      outcome: 'success',
      caller,
      details: { issuer: issuer.issuer, ...details },
    });

  /** Once, however often the token is shown: what is refused is not remembered, and asked again with each request. */
  async function recordRefusal(userId: string, issuedTo: string, caller: Caller): Promise<void> {
    const key = JSON.stringify([userId, issuedTo]);
    if (recorded.has(key)) return;
    if (recorded.size >= maxKnown) recorded.clear();
    recorded.add(key);
    const subject = encodeId('User', userId);
    const details = { issuer: issuer.issuer };
    await record(pool, { actorId: null, action: 'user.link_refused', subject, outcome: 'failure', caller, details });
  }

  /** The account with the verified address, or a new one. @returns its id */
  async function link(
    client: pg.PoolClient,
    identity: store.Identity,
    profile: Profile | null,
    caller: Caller,
  ): Promise<string> {
    await accounts.lockRegistration(client);
    const meanwhile = await store.findIdentity(client, identity);
    if (meanwhile) return meanwhile;
    if (!profile) throw ended();
    const email = verifiedAddress(profile);
    const there = await store.findUserByEmail(client, emailKeyOf(email));
    // Whoever opened it may have typed an address that is not his, and would keep the key to what is put there now.
    if (there && !there.verified)
      throw new LinkRefused(
        there.id,
        'The account with this address has not verified it: do that first, or set a new password by mail',
      );
    if (there) {
      // Whoever comes second may be somebody else, to whom the issuer has given the address since.
      if (await store.isLinked(client, identity.issuer, there.id))
        throw new LinkRefused(
          there.id,
          'Another account of the issuer leads to the account with this address: sign in there as before, or set a new password by mail, which ends that link',
        );
      await store.insertIdentity(client, identity, there.id);
      const { issuer } = identity;
      await outbox.queue(client, { to: there.email, template: 'accountLinked', values: { issuer } });
      await audited(client, 'user.linked', there.id, caller, {});
      return there.id;
    }
    const first = !(await accounts.anyUser(client));
    // Whom an invitation names registers with it first, and is found by his address then.
    if (settings.registration !== 'open' && !first) throw shut(settings.registration);
    const role: UserRole = first ? 'admin' : 'member';
    const name = displayName.safeParse(profile.name).data ?? null;
    const userId = await accounts.insertUser(client, { email, name, role, passwordHash: noPassword, verified: true });
    if (!userId) throw new AppError('CONFLICT', 'There is an account with this address');
    await store.insertIdentity(client, identity, userId);
    await audited(client, 'user.registered', userId, caller, { role });
    return userId;
  }

  return {
    issuer: issuer.issuer,

    async authenticate(token) {
      const key = hash('sha256', token, 'base64url');
      const entered = keep(key, remembered(key) ?? (await once(key, token)));
      const role = await sessions.roleIn(entered.sessionId, entered.userId);
      if (!role) throw ended();
      return { ...entered, role };
    },
    async stop() {
      sessions[Symbol.dispose]();
    },
  };
}

const dayMs = 24 * 3_600_000;
const inDays = (from: Date, days: number): Date => new Date(from.getTime() + days * dayMs);

/** @throws AppError FORBIDDEN */
function verifiedAddress({ email, emailVerified }: Profile): string {
  const { data } = emailAddress.safeParse(email);
  if (data === undefined)
    throw new AppError('FORBIDDEN', 'The issuer tells no address of this account: ask for the scope email');
  if (emailVerified !== true)
    throw new AppError('FORBIDDEN', 'The issuer has not verified the address of this account');
  return data;
}
