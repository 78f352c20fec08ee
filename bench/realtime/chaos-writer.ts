/** Writes numbered rows into a target that may be gone at any moment: each number once, rising, whatever a crash has undone. */
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

export interface ChaosWriter extends AsyncDisposable {
  /** Committed. */
  readonly written: number;
  /** Writes up to this number, in transactions of 1 to 200 rows. */
  writeTo(last: number): Promise<void>;
}

const maxRows = 200;
const retryMs = 50;

export async function openWriter(target: pg.ClientConfig, table: string): Promise<ChaosWriter> {
  let written = 0;
  let client: pg.Client | null = null;

  /** What was committed is asked of the table: the answer to a COMMIT may have been lost. */
  async function connected(): Promise<pg.Client> {
    if (client) return client;
    const next = new pg.Client(target);
    next.on('error', () => {}); // The next statement fails.
    await next.connect();
    const { rows } = await next.query<{ last: number }>(`SELECT coalesce(max(id), 0)::int AS last FROM ${table}`);
    written = rows[0]!.last;
    client = next;
    return next;
  }

  return {
    get written() {
      return written;
    },
    async writeTo(last) {
      for (let size = 1; written < last; size = (size * 7) % maxRows || 1) {
        try {
          const to = Math.min(written + size, last);
          await (await connected()).query(
            `INSERT INTO ${table} SELECT g, md5(g::text) FROM generate_series($1::int, $2::int) g`,
            [written + 1, to],
          );
          written = to;
        } catch {
          // The target is away, or was.
          await client?.end().catch(() => undefined);
          client = null;
          await sleep(retryMs);
        }
      }
    },
    async [Symbol.asyncDispose]() {
      await client?.end().catch(() => undefined);
    },
  };
}
