/** What Prometheus reads: the process, the requests, and nothing that names a person or a query. */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  /** Counts one request; called again with its status when it has ended. */
  request(): (status: number) => void;
  read(): Promise<{ contentType: string; text: string }>;
}

export interface MetricsDeps {
  /** What is kept live now, and how often queries were run for it since the start. */
  readonly liveQueries: () => {
    readonly readers: number;
    readonly queries: number;
    readonly runs: number;
    readonly early: number;
  };
  /** Of the databases that are listened to now. */
  readonly changeFeeds: () => Readonly<Record<ChangeFeedGauge, number>>;
  /** Since the start. */
  readonly mails: () => { readonly sent: number; readonly retried: number; readonly givenUp: number };
  /** By the id of the master key that they are sealed under. */
  readonly sealedSecrets: () => Readonly<Record<string, number>>;
}

const changeFeedGauges = {
  feeds: ['feeds', 'Databases that are listened to'],
  keptFeeds: ['kept_feeds', 'Those whose changes are kept'],
  tables: ['tables', 'Tables that are followed'],
  readers: ['readers', 'Streams of row changes'],
  logBytes: ['log_bytes', 'Changes that are in memory'],
  mostRetainedBytes: ['retained_bytes_max', 'Log that a database keeps for its feed, of the one that keeps the most'],
} as const;
type ChangeFeedGauge = keyof typeof changeFeedGauges;

export function createMetrics({ liveQueries, changeFeeds, mails, sealedSecrets }: MetricsDeps): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register, prefix: 'quarry_' });
  const seconds = new Histogram({
    name: 'quarry_http_request_seconds',
    help: 'Requests by status, from the first byte in to the last one out',
    labelNames: ['status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [register],
  });
  for (const name of ['readers', 'queries'] as const) {
    const help = `Of live queries, those that are there now: ${name}`;
    new Gauge({ name: `quarry_live_query_${name}`, help, registers: [register], collect: set });
    function set(this: Gauge): void {
      this.set(liveQueries()[name]);
    }
  }
  for (const gauge of Object.keys(changeFeedGauges) as ChangeFeedGauge[]) {
    const [name, help] = changeFeedGauges[gauge];
    new Gauge({ name: `quarry_change_${name}`, help, registers: [register], collect: read });
    function read(this: Gauge): void {
      this.set(changeFeeds()[gauge]);
    }
  }
  new Gauge({
    name: 'quarry_sealed_secrets',
    help: 'Secrets in the metadata by the master key that they are sealed under, at the last look',
    labelNames: ['key_id'],
    registers: [register],
    collect() {
      this.reset();
      for (const [key_id, count] of Object.entries(sealedSecrets())) this.set({ key_id }, count);
    },
  });
  const runs = {
    runs: 'How often live queries were run',
    early_runs: 'Those that were too early for a change',
  } as const;
  for (const [name, help] of Object.entries(runs)) {
    new Counter({
      name: `quarry_live_query_${name}_total`,
      help,
      registers: [register],
      collect() {
        this.reset();
        this.inc(liveQueries()[name === 'runs' ? 'runs' : 'early']);
      },
    });
  }
  new Counter({
    name: 'quarry_mails_total',
    help: 'Mails by what became of an attempt to send them: sent, retried, given_up',
    labelNames: ['outcome'],
    registers: [register],
    collect() {
      const { sent, retried, givenUp } = mails();
      this.reset();
      for (const [outcome, count] of Object.entries({ sent, retried, given_up: givenUp })) this.inc({ outcome }, count);
    },
  });
  return {
    request() {
      const end = seconds.startTimer();
      return (status) => void end({ status });
    },
    read: async () => ({ contentType: register.contentType, text: await register.metrics() }),
  };
}
