/**
 * Tokens that something open depends on. Each is asked about again and again, once for all who depend on it, and all of
 * them by one clock: thousands of sockets at rest must cost next to nothing.
 */
import type { Viewer } from '../accounts/viewer.ts';
import type { Bus } from '../lib/bus.ts';
import { AppError } from '../lib/errors.ts';
import type { Topic } from '../lib/topics.ts';

export interface HeldTokensDeps {
  readonly bus: Bus<Topic>;
  /** Who shows it now. Throws when the token no longer holds. */
  check(authorization: string): Promise<Pick<Viewer, 'role'> | null>;
}

export interface HeldTokens {
  /** @param end called, perhaps more than once, when the token ends, or no longer gives this role. @returns how to hold it no longer */
  hold(viewer: Viewer, authorization: string, end: () => void): () => void;
}

/** Revocations are rung; one whose ring was lost is found by asking this often. */
const recheckMs = 4_000;
/** Tokens are asked about in so many groups, so that they do not come all at once. */
const turns = 16;
/** A timer of more would ring at once. What ends later is found by asking. */
const maxTimerMs = 2 ** 31 - 1;

interface Holder {
  readonly role: Viewer['role'];
  readonly end: () => void;
}

interface Held {
  readonly key: string;
  readonly authorization: string;
  readonly holders: Set<Holder>;
  /** When it is asked about. */
  readonly turn: number;
  readonly expiry: NodeJS.Timeout | undefined;
  readonly unlisten: () => void;
}

export function createHeldTokens({ bus, check }: HeldTokensDeps): HeldTokens {
  const all = new Map<string, Held>();
  const byTurn = Array.from({ length: turns }, () => new Set<Held>());
  let turn = 0;
  let begun = 0;
  let clock: NodeJS.Timeout | undefined;

  function endAll({ holders }: Held): void {
    for (const { end } of [...holders]) end();
  }

  async function ask(held: Held): Promise<void> {
    try {
      const now = await check(held.authorization);
      // What was begun in another role goes on by that one's rights: it ends.
      for (const { role, end } of [...held.holders]) if (now?.role !== role) end();
    } catch (error) {
      // Anything else is our own trouble and nobody's log-out; the expiry bounds it.
      if (error instanceof AppError && error.code === 'UNAUTHENTICATED') endAll(held);
    }
  }

  function begin(key: string, { sessionId, expiresAt }: Viewer, authorization: string): Held {
    const held: Held = {
      key,
      authorization,
      holders: new Set(),
      turn: begun % turns,
      expiry: timerOf(expiresAt, () => endAll(held)),
      unlisten: bus.listen('session.revoked', sessionId, () => void ask(held)),
    };
    begun += 1;
    all.set(key, held);
    byTurn[held.turn]!.add(held);
    clock ??= setInterval(() => {
      turn = (turn + 1) % turns;
      for (const one of byTurn[turn]!) void ask(one);
    }, recheckMs / turns).unref();
    return held;
  }

  function forget(held: Held): void {
    held.unlisten();
    clearTimeout(held.expiry);
    all.delete(held.key);
    byTurn[held.turn]!.delete(held);
    if (all.size > 0) return;
    clearInterval(clock);
    clock = undefined;
  }

  return {
    hold(viewer, authorization, end) {
      const key = `${viewer.sessionId} ${viewer.expiresAt?.getTime()} ${authorization}`;
      const held = all.get(key) ?? begin(key, viewer, authorization);
      const holder = { role: viewer.role, end };
      held.holders.add(holder);
      return () => {
        if (held.holders.delete(holder) && held.holders.size === 0) forget(held);
      };
    },
  };
}

function timerOf(expiresAt: Date | null, end: () => void): NodeJS.Timeout | undefined {
  const leftMs = expiresAt === null ? Number.POSITIVE_INFINITY : expiresAt.getTime() - Date.now();
  return leftMs > maxTimerMs ? undefined : setTimeout(end, Math.max(0, leftMs)).unref();
}
