/** Streams: every event is executed anew, or once for all who are told of it, and a stream ends when the right to it does. */
import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, execute } from 'graphql';
import { AppError } from '../lib/errors.ts';
import { onAborted } from '../lib/on-aborted.ts';
import { type Context, end, renewed } from './context.ts';
import { JsonData } from './json-data.ts';
import { createLifetimes, type Lifetime, type LifetimeDeps } from './lifetime.ts';
import type { Plans } from './use-plans.ts';

type Stream = AsyncIterableIterator<ExecutionResult>;

/** The last event of a stream that breaks off: over SSE there is no other word for it. */
const failed = (error: unknown) => ({ errors: [error] }) as unknown as ExecutionResult;

const ended = failed(new AppError('UNAUTHENTICATED', 'The token has ended; sign in again and resume'));

/** The token of one HTTP request decides for its stream alone; a socket's decides for all of the socket's. */
function lifetimeOf(context: Context, begin: () => Lifetime): Lifetime | null {
  if (context.lifetime || !context.viewer || !context.authorization) return null;
  const lifetime = begin();
  lifetime.renew(context.viewer, context.authorization);
  return lifetime;
}

export interface SubscribeDeps extends LifetimeDeps {
  /** Of an event, as of any other answer, nothing is told that is not the client's. */
  masked(result: ExecutionResult, context: Context): ExecutionResult;
  plans: Pick<Plans, 'telling'>;
}

export function createSubscribe({
  plans,
  masked,
  ...deps
}: SubscribeDeps): (args: ExecutionArgs) => Promise<Stream | ExecutionResult> {
  const beginLifetime = createLifetimes(deps);
  return async (args) => {
    const closing = new AbortController();
    const given = args.contextValue as Context;
    // A source that waits hears of the end by its signal: a generator in the middle of an await cannot be told otherwise.
    const telling = plans.telling(args);
    const { tellNow } = given;
    let closed = false;
    /** The right to it has ended. */
    let over = false;
    const give =
      telling && tellNow
        ? (event: object) => {
            if (closed || over) return false;
            const data = telling.dataOf(event, context);
            return data instanceof JsonData && tellNow(data);
          }
        : undefined;
    const context: Context = { ...given, signal: closing.signal, give };
    const forget = onAborted(given.signal, () => closing.abort());
    const source = await createSourceEventStream({ ...args, contextValue: context } as never);
    if (!(Symbol.asyncIterator in source)) {
      forget();
      return source;
    }
    const events = source[Symbol.asyncIterator]();
    const own = lifetimeOf(context, beginLifetime);
    const signal = (context.lifetime ?? own)?.ended;
    let wake: ((value: null) => void) | null = null;
    const unlisten =
      signal &&
      onAborted(signal, () => {
        over = true;
        wake?.(null);
      });

    async function close(): Promise<void> {
      closed = true;
      forget();
      closing.abort();
      unlisten?.();
      own?.[Symbol.dispose]();
      // Not awaited: a source must not keep the reader from leaving.
      void Promise.resolve(events.return?.()).catch(() => undefined);
    }

    const stream: Stream = {
      async next() {
        if (closed) return { done: true, value: undefined };
        let event: IteratorResult<unknown> | null;
        try {
          event = await new Promise((resolve, reject) => {
            wake = resolve;
            if (signal?.aborted) resolve(null);
            else events.next().then(resolve, reject);
          });
        } catch (error) {
          // Of a source whose reader has left nobody wants to know.
          if (closed) return { done: true, value: undefined };
          await close();
          return { done: false, value: masked(failed(error), context) };
        }
        if (event === null) {
          await close();
          return { done: false, value: masked(ended, context) };
        }
        if (event.done) {
          await close();
          return { done: true, value: undefined };
        }
        const { value } = event;
        const data = telling && typeof value === 'object' && value !== null && (await telling.dataOf(value, context));
        if (data) return { done: false, value: { data } as unknown as ExecutionResult };
        const own = renewed(context);
        const result = await execute({ ...args, rootValue: value, contextValue: own });
        end(own);
        return { done: false, value: masked(result, context) };
      },
      async return() {
        await close();
        return { done: true, value: undefined };
      },
      async throw(error) {
        await close();
        throw error;
      },
      [Symbol.asyncIterator]: () => stream,
    };
    return stream;
  };
}
