/** Opens and ends sessions inside the transaction that is the reason for it, and tells every process of those that ended. */
import type pg from 'pg';
import { ringInTransaction } from '../db/notify.ts';
import type { Bus } from '../lib/bus.ts';
import type { Topic } from '../lib/topics.ts';
import type { AccessTokens } from './access-tokens.ts';
import { issueRefreshToken, type RefreshToken } from './refresh-tokens.ts';
import * as store from './store.ts';
import type { Caller, UserRole, Viewer } from './viewer.ts';

export interface SignedIn {
  readonly accessToken: string;
  readonly accessTokenExpiresAt: Date;
  readonly refreshToken: string;
  readonly refreshTokenExpiresAt: Date;
  readonly viewer: Viewer;
}

type SessionViewer = Omit<Viewer, 'expiresAt' | 'key'>;

export interface Opened {
  readonly viewer: SessionViewer;
  readonly refresh: RefreshToken;
  /** Sessions that had to end for it. */
  readonly displaced: readonly string[];
}

export interface SignIns {
  open(client: pg.PoolClient, userId: string, role: UserRole, caller: Caller): Promise<Opened>;
  /** One live session of the user, or all, or all but one. @returns those that it ended */
  end(client: pg.PoolClient, userId: string, which: store.WhichSessions): Promise<string[]>;
  /** After the transaction: this process need not wait for its own ring to come back. */
  forget(sessionIds: readonly string[]): void;
  /** After the transaction. */
  tokensOf(opened: Pick<Opened, 'viewer' | 'refresh'>): Promise<SignedIn>;
}

export interface SignInsDeps {
  bus: Pick<Bus<Topic>, 'ringHere'>;
  accessTokens: Pick<AccessTokens, 'issue'>;
}

export function createSignIns({ bus, accessTokens }: SignInsDeps): SignIns {
  const ringEnded = (client: pg.PoolClient, sessionIds: readonly string[]) =>
    ringInTransaction(
      client,
      sessionIds.map((id) => ['session.revoked', id] as const),
    );

  return {
    async open(client, userId, role, caller) {
      const { id: sessionId, displaced } = await store.insertSession(client, { userId, caller, origin: null });
      await ringEnded(client, displaced);
      return { viewer: { userId, role, sessionId }, refresh: await issueRefreshToken(client, sessionId), displaced };
    },
    async end(client, userId, which) {
      // Before its sessions, as everybody takes them who holds the account.
      if (which === 'all' || 'but' in which) await store.endLinks(client, userId);
      const ended = await store.endSessions(client, userId, which);
      await ringEnded(client, ended);
      return ended;
    },
    forget(sessionIds) {
      for (const id of sessionIds) bus.ringHere('session.revoked', id);
    },
    async tokensOf({ viewer, refresh }) {
      const { token, expiresAt } = await accessTokens.issue(viewer);
      return {
        accessToken: token,
        accessTokenExpiresAt: expiresAt,
        refreshToken: refresh.token,
        refreshTokenExpiresAt: refresh.expiresAt,
        viewer: { ...viewer, expiresAt },
      };
    },
  };
}
