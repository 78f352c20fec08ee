/**
 * How much anybody may ask in a minute: requests of an address, of a user and of an API key, and what their operations
 * cost; a kept answer costs nothing, as nothing is done for it. Over WebSocket each operation is a request, and of the address
 * each token that opens a connection or renews it. Attempts at passwords are accounts/attempts.ts.
 *
 * Counted in the memory of each process, as everything that is asked goes through here; with Redis all replicas count
 * together. It never keeps anybody out because something could not be counted.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller, Viewer } from '../accounts/viewer.ts';
import type { Service } from '../lib/lifecycle.ts';
import { networkOf } from '../lib/network.ts';
import { createRates, type Rate, type Rates, type RatesDeps, rateLimited } from '../lib/rates.ts';

/** In a minute; 0 for no limit. */
export interface RateLimits {
  readonly address: number;
  readonly user: number;
  readonly key: number;
  /** Of each of these: as much as documents may cost together. */
  readonly cost: number;
}

export type RateKind = keyof RateLimits;

export interface RateGateDeps {
  readonly limits: RateLimits;
  callerOf(request: IncomingMessage): Caller;
  /** Counts of all replicas. */
  readonly shared?: ((kind: RateKind) => NonNullable<RatesDeps['shared']>) | null;
}

/** What is asked: one request over HTTP, however often it is looked at, or one operation on a socket, without a response. */
export interface Asked {
  readonly request: IncomingMessage;
  readonly response: ServerResponse | undefined;
}

export interface RateGate extends Service {
  /** Before anything of it is looked at. @throws AppError RATE_LIMITED */
  enter(asked: Asked): Promise<void>;
  /** When it is known who asks. @throws AppError RATE_LIMITED */
  admit(viewer: Viewer | null, asked: Asked): Promise<void>;
  /** When it is known what it costs. @throws AppError RATE_LIMITED */
  charge(viewer: Viewer | null, caller: Caller, cost: number): Promise<void>;
}

export function createRateGate({ limits, callerOf, shared }: RateGateDeps): RateGate {
  const all: Rates[] = [];
  const ratesOf = (kind: RateKind): Rates | null => {
    if (limits[kind] === 0) return null;
    const rates = createRates({ limit: limits[kind], shared: shared?.(kind) ?? null });
    all.push(rates);
    return rates;
  };
  const rates: Record<RateKind, Rates | null> = {
    address: ratesOf('address'),
    user: ratesOf('user'),
    key: ratesOf('key'),
    cost: ratesOf('cost'),
  };
  /** By their requests over HTTP, which are looked at more than once; on a socket there is no such thing. */
  const entered = new WeakMap<IncomingMessage, Promise<Rate | undefined>>();
  const admitted = new WeakMap<IncomingMessage, Promise<Rate | undefined>>();

  function take(
    kind: 'address' | 'user' | 'key',
    key: string,
    { request, response }: Asked,
    known: WeakMap<IncomingMessage, Promise<Rate | undefined>>,
  ): Promise<Rate | undefined> {
    if (!rates[kind]) return unlimited;
    const before = response && known.get(request);
    if (before) return before;
    const taking = rates[kind].take(key, 1);
    if (response) known.set(request, taking);
    return taking;
  }

  function requireRoom(kind: 'address' | 'user' | 'key', rate: Rate | undefined, { response }: Asked): void {
    if (!rate?.exceeded) return;
    if (response) tell(response, rate);
    throw rateLimited(rate.resetMs, `More than ${rate.limit} requests a minute of one ${kind}`);
  }

  return {
    async enter(asked) {
      const rate = await take('address', addressOf(callerOf(asked.request)), asked, entered);
      requireRoom('address', rate, asked);
      // Until it is known who asks, and where nobody does.
      if (asked.response && rate) tell(asked.response, rate);
    },

    async admit(viewer, asked) {
      const [kind, id] = viewer?.key ? (['key', viewer.key.id] as const) : (['user', viewer?.userId] as const);
      const rate = id === undefined ? undefined : await take(kind, id, asked, admitted);
      requireRoom(kind, rate, asked);
      if (asked.response && rate) tell(asked.response, rate);
    },

    async charge(viewer, caller, cost) {
      if (!rates.cost || cost === 0) return;
      const who = viewer ? (viewer.key?.id ?? viewer.userId) : addressOf(caller);
      const rate = await rates.cost.take(who, cost);
      if (rate.exceeded) throw rateLimited(rate.resetMs, `Operations of a cost beyond ${rate.limit} a minute`);
    },

    async stop() {
      for (const each of all) each[Symbol.dispose]();
    },
  };
}

const unlimited = Promise.resolve(undefined);

const addressOf = ({ ipAddress }: Caller): string => (ipAddress === null ? 'none' : networkOf(ipAddress));

/** The headers are those of rateHeaders. */
function tell(response: ServerResponse, { limit, remaining, resetMs, exceeded }: Rate): void {
  if (response.headersSent) return;
  const seconds = Math.ceil(resetMs / 1_000);
  response.setHeader('ratelimit-limit', limit);
  response.setHeader('ratelimit-remaining', remaining);
  response.setHeader('ratelimit-reset', seconds);
  if (exceeded) response.setHeader('retry-after', seconds);
}
