/** How long a token holds for what is open: until it ends or its session is revoked, unless it is renewed before. */
import type { Viewer } from '../accounts/viewer.ts';
import { createHeldTokens, type HeldTokensDeps } from './held-tokens.ts';

export interface Lifetime extends Disposable {
  /** Aborts when the token no longer holds. */
  readonly ended: AbortSignal;
  /** From now on this token decides. No-op when it has ended or was disposed of, as may be while the token was checked. */
  renew(viewer: Viewer, authorization: string): void;
}

export type LifetimeDeps = HeldTokensDeps;

/** @returns what begins one: what is asked about tokens is asked once for all that it has begun */
export function createLifetimes(deps: LifetimeDeps): () => Lifetime {
  const tokens = createHeldTokens(deps);
  return () => {
    const end = new AbortController();
    let letGo = () => {};
    let closed = false;
    const close = () => {
      closed = true;
      letGo();
    };
    return {
      ended: end.signal,
      renew(viewer, authorization) {
        if (closed) return;
        letGo();
        letGo = tokens.hold(viewer, authorization, () => {
          close();
          end.abort();
        });
      },
      [Symbol.dispose]: close,
    };
  };
}
