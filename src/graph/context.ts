/** What every resolver is given: who asks, the services, and what may be read once for this one operation. */
import type { Caller, Viewer } from '../accounts/viewer.ts';
import type { Services } from '../services.ts';
import type { JsonData } from './json-data.ts';
import type { Lifetime } from './lifetime.ts';

export interface Context {
  readonly viewer: Viewer | null;
  readonly services: Services;
  readonly caller: Caller;
  /** In the log beside whatever goes wrong, and in the answer. */
  readonly requestId: string;
  /** Aborts when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
  /** The operation is a query: what was loaded for it once need not be loaded again. */
  reads?: boolean;
  /** What is called when the answer is made. */
  ends?: (() => void)[] | undefined;
  /** The header that the viewer was found by. */
  readonly authorization: string | null;
  /** Of the socket, where its token decides for this operation. */
  readonly lifetime: Lifetime | null;
  /** Over a socket: sends the data of an event at once; false, and not sent, where something waits before it. */
  readonly tellNow?: ((data: JsonData) => boolean) | undefined;
  /**
   * Where an event of this stream is made once for many: gives it to the reader while he waits for the next one, without
   * his coming for it. False: he has to come for it.
   */
  readonly give?: ((event: object) => boolean) | undefined;
}

/**
 * The same caller at a new event of a stream: loaders and checked scopes are kept by the context's identity, and what
 * was read for the last event may have changed since.
 */
export const renewed = (context: Context): Context => ({ ...context, ends: undefined });

/** @param then called once the answer to the operation, or to an event of its stream, is made */
export function atEnd(context: Context, then: () => void): void {
  context.ends ??= [];
  context.ends.push(then);
}

/** The answer is made; what holds it in memory goes with the text that is made of it next. */
export function end(context: Context): void {
  const { ends } = context;
  if (!ends) return;
  context.ends = undefined;
  setImmediate(() => {
    for (const then of ends) then();
  });
}
