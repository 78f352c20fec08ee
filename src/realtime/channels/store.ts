/**
 * Messages of channels in the metadata. The messages of a project are numbered behind one lock, so that whoever reads
 * behind a number never misses one that is committed later.
 */
import type pg from 'pg';
import { type Executor, transaction } from '../../db/metadata.ts';
import { ringInTransaction } from '../../db/notify.ts';
import { notFound } from '../../lib/errors.ts';

export interface NewMessage {
  readonly channel: string;
  /** JSON. */
  readonly payload: string;
  readonly bytes: number;
  readonly senderId: string;
}

export interface ChannelMessage {
  /** Rising within the project. */
  readonly position: bigint;
  /** Position of the message before it on its channel, kept or not; 0: none that is remembered. */
  readonly previous: bigint;
  readonly channel: string;
  readonly payload: unknown;
  readonly senderId: string | null;
  readonly sentAt: Date;
}

/** What is kept for those who come back; the older of it goes with what is sent next. */
export const keptMessages = {
  /** Of one channel. */
  count: 1_000,
  /** Of one project. */
  bytes: 64 * 2 ** 20,
  hours: 24,
} as const;

export interface MessageStore {
  /**
   * In their order, which is that of their positions; all or none of them.
   * @param topic rung with the key of each channel when they are committed
   * @throws AppError NOT_FOUND where the project is gone
   */
  append(
    projectId: string,
    messages: readonly NewMessage[],
    rings: readonly (readonly [string, string])[],
  ): Promise<void>;
  /** Of one channel, oldest first. */
  after(projectId: string, channel: string, position: bigint, limit: number): Promise<ChannelMessage[]>;
  /** `newest`: position of the last message of the project, kept or not. `lost`: before it, messages of any channel may be missing. */
  ends(projectId: string): Promise<{ newest: bigint; lost: bigint }>;
}

export function createMessageStore({ pool }: { pool: pg.Pool }): MessageStore {
  return {
    append: (projectId, messages, rings) =>
      transaction(pool, async (client) => {
        const newest = await lock(client, projectId);
        await insert(client, projectId, newest, messages);
        await trim(client, projectId, messages);
        await ringInTransaction(client, rings);
      }),

    async after(projectId, channel, position, limit) {
      const { rows } = await pool.query<
        Omit<ChannelMessage, 'position' | 'previous'> & Record<'position' | 'previous', string>
      >(
        `SELECT position, previous, channel, payload, sender_id AS "senderId", sent_at AS "sentAt"
           FROM channel_messages
          WHERE project_id = $1 AND channel = $2 AND place > coalesce(
            (SELECT max(place) FROM channel_messages WHERE project_id = $1 AND channel = $2 AND position <= $3), 0)
          ORDER BY place LIMIT $4`,
        [projectId, channel, position, limit],
      );
      return rows.map((row) => ({ ...row, position: BigInt(row.position), previous: BigInt(row.previous) }));
    },

    async ends(projectId) {
      const { rows } = await pool.query<Record<'newest' | 'lost', string>>(
        'SELECT newest, lost FROM channel_logs WHERE project_id = $1',
        [projectId],
      );
      return { newest: BigInt(rows[0]?.newest ?? 0), lost: BigInt(rows[0]?.lost ?? 0) };
    },
  };
}

/** Nobody else adds to the project's messages until the transaction ends. @returns the position of the last one */
async function lock(client: Executor, projectId: string): Promise<bigint> {
  const { rows } = await client.query<{ newest: string }>(
    `INSERT INTO channel_logs AS log (project_id) SELECT id FROM projects WHERE id = $1
     ON CONFLICT (project_id) DO UPDATE SET newest = log.newest RETURNING newest`,
    [projectId],
  );
  if (!rows[0]) throw notFound('Project');
  return BigInt(rows[0].newest);
}

async function insert(client: Executor, projectId: string, newest: bigint, messages: readonly NewMessage[]) {
  await client.query(
    `WITH given AS (
       SELECT *, $2::bigint + n AS position, row_number() OVER channels AS nth, lag($2::bigint + n) OVER channels AS before
         FROM unnest($3::text[], $4::text[], $5::integer[], $6::uuid[])
              WITH ORDINALITY AS message (channel, payload, bytes, sender_id, n)
       WINDOW channels AS (PARTITION BY channel ORDER BY n)),
     inserted AS (
       INSERT INTO channel_messages (project_id, position, channel, place, previous, payload, bytes, sender_id)
       SELECT $1, given.position, given.channel, coalesce(last.place, 0) + nth, coalesce(before, last.position, 0),
              payload::json, bytes, sender_id
         FROM given LEFT JOIN LATERAL (
           SELECT place, position FROM channel_messages AS kept
            WHERE project_id = $1 AND kept.channel = given.channel ORDER BY place DESC LIMIT 1) AS last ON true)
     UPDATE channel_logs SET newest = $2::bigint + cardinality($3::text[]),
            bytes = bytes + (SELECT sum(given.bytes) FROM given)
      WHERE project_id = $1`,
    [
      projectId,
      newest,
      messages.map(({ channel }) => channel),
      messages.map(({ payload }) => payload),
      messages.map(({ bytes }) => bytes),
      messages.map(({ senderId }) => senderId),
    ],
  );
}

async function trim(client: Executor, projectId: string, messages: readonly NewMessage[]): Promise<void> {
  const channels = [...new Set(messages.map(({ channel }) => channel))];
  // Who reads behind one of these is told by the `previous` of the next that is kept.
  await client.query(
    `WITH gone AS (
       DELETE FROM channel_messages AS old USING unnest($2::text[]) AS sent (channel)
        WHERE project_id = $1 AND old.channel = sent.channel AND place <= (
          SELECT max(place) FROM channel_messages AS kept WHERE project_id = $1 AND kept.channel = sent.channel) - $3
       RETURNING bytes)
     UPDATE channel_logs SET bytes = channel_logs.bytes - coalesce((SELECT sum(gone.bytes) FROM gone), 0)
      WHERE project_id = $1`,
    [projectId, channels, keptMessages.count],
  );
  const { rows } = await client.query<{ due: boolean }>(
    `SELECT log.bytes > $2 OR oldest.sent_at < clock_timestamp() - $3 * interval '1 hour' AS due
       FROM channel_logs AS log JOIN LATERAL (
         SELECT sent_at FROM channel_messages WHERE project_id = log.project_id ORDER BY position LIMIT 1) AS oldest ON true
      WHERE project_id = $1`,
    [projectId, keptMessages.bytes, keptMessages.hours],
  );
  if (rows[0]?.due) await forget(client, projectId);
}

/** What is too old, or too much, whatever its channel: of some channels nothing may be left to tell of it, so the log does. */
async function forget(client: Executor, projectId: string): Promise<void> {
  await client.query(
    `WITH kept AS (
       SELECT position, sent_at, sum(bytes) OVER (ORDER BY position DESC) AS bytes
         FROM channel_messages WHERE project_id = $1),
     gone AS (
       DELETE FROM channel_messages WHERE project_id = $1 AND position <= (
         SELECT max(position) FROM kept WHERE bytes > $2 OR sent_at < clock_timestamp() - $3 * interval '1 hour')
       RETURNING position, bytes)
     UPDATE channel_logs SET lost = greatest(lost, (SELECT max(position) FROM gone)),
            bytes = channel_logs.bytes - coalesce((SELECT sum(gone.bytes) FROM gone), 0)
      WHERE project_id = $1`,
    [projectId, keptMessages.bytes, keptMessages.hours],
  );
}
