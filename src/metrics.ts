/** What Prometheus reads: the process, the requests, and nothing that names a person or a query. */
import { collectDefaultMetrics, Histogram, Registry } from 'prom-client';

export interface Metrics {
  /** Counts one request; called again with its status when it has ended. */
  request(): (status: number) => void;
  read(): Promise<{ contentType: string; text: string }>;
}

export function createMetrics(): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register, prefix: 'quarry_' });
  const seconds = new Histogram({
    name: 'quarry_http_request_seconds',
    help: 'Requests by status, from the first byte in to the last one out',
    labelNames: ['status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
    registers: [register],
  });
  return {
    request() {
      const end = seconds.startTimer();
      return (status) => void end({ status });
    },
    read: async () => ({ contentType: register.contentType, text: await register.metrics() }),
  };
}
