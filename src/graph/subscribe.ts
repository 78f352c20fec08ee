/** Streams: every event is executed anew, or once for all who are told of it, and a stream ends when the right to it does. */
import { createSourceEventStream, type ExecutionArgs, type ExecutionResult, execute } from 'graphql';
import { AppError } from '../lib/errors.ts';
import { type Context, renewed } from './context.ts';
import { createLifetime, type Lifetime, type LifetimeDeps } from './lifetime.ts';
import type { Plans } from './use-plans.ts';

type Stream = AsyncIterableIterator<ExecutionResult>;

/** The last event of a stream that breaks off: over SSE there is no other word for it. */
const failed = (error: unknown) => ({ errors: [error] }) as unknown as ExecutionResult;

const ended = failed(new AppError('UNAUTHENTICATED', 'The token has ended; sign in again and resume'));

/** The token of one HTTP request decides for its stream alone; a socket's decides for all of the socket's. */
function lifetimeOf(context: Context, deps: LifetimeDeps): Lifetime | null {
  if (context.lifetime || !context.viewer || !context.authorization) return null;
  const lifetime = createLifetime(deps);
  lifetime.renew(context.viewer, context.authorization);
  return lifetime;
}

export interface SubscribeDeps extends LifetimeDeps {
  plans: Pick<Plans, 'telling'>;
}

export function createSubscribe({
  plans,
  ...deps
}: SubscribeDeps): (args: ExecutionArgs) => Promise<Stream | ExecutionResult> {
  return async (args) => {
    const closing = new AbortController();
    const given = args.contextValue as Context;
    // A source that waits hears of the end by its signal: a generator in the middle of an await cannot be told otherwise.
    const context: Context = { ...given, signal: AbortSignal.any([given.signal, closing.signal]) };
    const source = await createSourceEventStream({ ...args, contextValue: context } as never);
    if (!(Symbol.asyncIterator in source)) return source;
    const events = source[Symbol.asyncIterator]();
    const own = lifetimeOf(context, deps);
    const telling = plans.telling(args);
    const signal = (context.lifetime ?? own)?.ended;
    let closed = false;
    let wake: ((value: null) => void) | null = null;
    const onEnd = () => wake?.(null);
    signal?.addEventListener('abort', onEnd);

    async function close(): Promise<void> {
      closed = true;
      closing.abort();
      signal?.removeEventListener('abort', onEnd);
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
          return { done: false, value: failed(error) };
        }
        if (event === null) {
          await close();
          return { done: false, value: ended };
        }
        if (event.done) {
          await close();
          return { done: true, value: undefined };
        }
        const { value } = event;
        const data = telling && typeof value === 'object' && value !== null && (await telling.dataOf(value, context));
        return {
          done: false,
          value: data
            ? ({ data } as unknown as ExecutionResult)
            : await execute({ ...args, rootValue: value, contextValue: renewed(context) }),
        };
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
