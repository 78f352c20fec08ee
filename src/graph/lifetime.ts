/** How long a token holds for what is open: until it ends or its session is revoked, unless it is renewed before. */
import type { Viewer } from '../accounts/viewer.ts';
import type { Bus } from '../lib/bus.ts';
import { AppError } from '../lib/errors.ts';
import type { Topic } from '../lib/topics.ts';

export interface Lifetime extends Disposable {
  /** Aborts when the token no longer holds. */
  readonly ended: AbortSignal;
  /** From now on this token decides. No-op when it has ended or was disposed of, as may be while the token was checked. */
  renew(viewer: Viewer, authorization: string): void;
}

export interface LifetimeDeps {
  bus: Bus<Topic>;
  /** Who shows it now. Throws when the token no longer holds. */
  check(authorization: string): Promise<Pick<Viewer, 'role'> | null>;
}

/** Revocations are rung; one whose ring was lost is found by asking this often. */
const recheckMs = 4_000;
/** A timer of more would ring at once. What ends later is found by asking. */
const maxTimerMs = 2 ** 31 - 1;

function timerOf(expiresAt: Date | null, end: () => void): NodeJS.Timeout | undefined {
  const leftMs = expiresAt === null ? Number.POSITIVE_INFINITY : expiresAt.getTime() - Date.now();
  return leftMs > maxTimerMs ? undefined : setTimeout(end, Math.max(0, leftMs)).unref();
}

export function createLifetime({ bus, check }: LifetimeDeps): Lifetime {
  const end = new AbortController();
  let stop = () => {};
  let closed = false;
  const close = () => {
    if (closed) return;
    closed = true;
    stop();
  };
  end.signal.addEventListener('abort', close);
  return {
    ended: end.signal,
    renew(viewer, authorization) {
      if (closed) return;
      stop();
      const ask = () =>
        check(authorization).then(
          // What was begun in another role goes on by that one's rights: it ends.
          (now) => now?.role !== viewer.role && end.abort(),
          (error) => {
            // Anything else is our own trouble and nobody's log-out; the expiry below bounds it.
            if (error instanceof AppError && error.code === 'UNAUTHENTICATED') end.abort();
          },
        );
      const unlisten = bus.listen('session.revoked', viewer.sessionId, ask);
      const recheck = setInterval(ask, recheckMs).unref();
      const expiry = timerOf(viewer.expiresAt, () => end.abort());
      stop = () => {
        unlisten();
        clearInterval(recheck);
        clearTimeout(expiry);
      };
    },
    [Symbol.dispose]: close,
  };
}
