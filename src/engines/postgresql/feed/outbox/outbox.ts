/** Reads an outbox: puts transactions in their order, takes their rows in pieces, and forgets what nobody needs any more. */
import pg from 'pg';
import type { CommitPosition } from '../../../changes.ts';
import type { PartitionNotes } from '../partitions.ts';
import type { Side } from '../side.ts';
import type { OutboxNames } from './installation.ts';

export interface OutboxRow {
  /** Of the transaction. */
  readonly place: bigint;
  readonly xid: string;
  readonly committedAtMs: number;
  readonly id: string;
  /** The partition, where it is one. */
  readonly relation: number;
  /** `s` shape, `i` insert, `u` update, `d` delete, `t` truncate. */
  readonly op: string;
  readonly old: string | null;
  readonly new: string | null;
}

/** A row, or behind all of a transaction where it has no xid. */
export interface OutboxPlace {
  readonly place: bigint;
  readonly xid: string | null;
  readonly id: string | null;
}

interface Waiting {
  readonly signal: AbortSignal;
}

export interface Outbox {
  isInstalled(options: Waiting): Promise<boolean>;
  /** Up to which it is forgotten. Null: there is none, or what was committed since is not all there. */
  resume(options: Waiting): Promise<bigint | null>;
  /** Begins anew: forgets whatever has been written. @returns the place */
  reset(options: Waiting): Promise<bigint>;
  /** Nothing is resumed from here. */
  close(options: Waiting): Promise<void>;
  /**
   * Gives those that have come a place each, behind all that had one.
   * @returns the place up to which all is known; null: what has been committed is not all there
   */
  order(options: Waiting): Promise<bigint | null>;
  /** The next rows in their order, as many as fit a piece and one at the least. */
  rows(after: OutboxPlace, options: Waiting): Promise<OutboxRow[]>;
  forget(upTo: bigint, options: Waiting): Promise<void>;
  /** With the outbox. */
  readonly notes: PartitionNotes;
  /** Of the disk. */
  bytes(options: Waiting): Promise<number>;
}

/** As the contract has it. */
export const positionOfPlace = (place: bigint): CommitPosition => place.toString(16).padStart(16, '0');
export const placeOf = (position: CommitPosition): bigint => BigInt(`0x${position}`);

const rowsAtOnce = 2_000;
const transactionsAtOnce = 200;
/** Of a piece; a row that is longer comes alone. */
const maxPieceBytes = 2 ** 20;

/** A transaction gets its place from its only reader, once it can be seen: one that another has waited for is seen first. */
export function createOutbox(side: Side, names: OutboxNames): Outbox {
  const { rows, commits, state, order, full } = names;
  /** Microseconds since 1970: behind every place that was given before, whatever of them has been lost. */
  const now = '(extract(epoch FROM clock_timestamp()) * 1000000)::bigint';
  const restSql = `
    SELECT c.place, c.at, r.* FROM ${commits} c JOIN ${rows} r ON r.xid = c.xid
     WHERE c.xid = $2::xid8 AND c.place = $1 AND r.xid = $2::xid8 AND r.id > $3 ORDER BY r.id LIMIT ${rowsAtOnce}`;
  const nextSql = `
    SELECT c.place, c.at, r.*
      FROM (SELECT * FROM ${commits} WHERE place > $1 ORDER BY place LIMIT ${transactionsAtOnce}) c
     CROSS JOIN LATERAL (SELECT * FROM ${rows} r WHERE r.xid = c.xid ORDER BY r.id LIMIT ${rowsAtOnce}) r
     ORDER BY c.place, r.id LIMIT ${rowsAtOnce}`;
  const whole = `NOT (SELECT is_called FROM ${full})`;

  return {
    async isInstalled({ signal }) {
      const [row] = await side.query('SELECT to_regclass($1) IS NOT NULL', [rows], { signal });
      return row?.[0] === 't';
    },

    async resume({ signal }) {
      const [row] = await side.query(`SELECT forgotten::text FROM ${state} WHERE ${whole}`, [], { signal });
      return row === undefined ? null : BigInt(row[0]!);
    },

    reset: ({ signal }) =>
      side.transaction(
        async (query) => {
          // What is deleted would go on to count as large.
          await query(`TRUNCATE ${state}, ${rows}, ${commits}`);
          await query(`SELECT setval('${full}', 1, false), setval('${order}', 1, false)`);
          const [row] = await query(
            `INSERT INTO ${state} SELECT n, n FROM (SELECT ${now} AS n) n RETURNING place::text`,
          );
          return BigInt(row![0]!);
        },
        { signal },
      ),

    async close({ signal }) {
      await side.query(`DELETE FROM ${state}`, [], { signal });
    },

    order: ({ signal }) =>
      side.transaction(
        async (query) => {
          const [row] = await query(
            `UPDATE ${state} SET place = greatest(place, ${now}) WHERE ${whole} RETURNING place::text`,
          );
          if (row === undefined) return null;
          const placed = await query(
            `UPDATE ${commits} c SET place = $1 + n.ordinal
               FROM (SELECT xid, row_number() OVER (ORDER BY number) AS ordinal FROM ${commits} WHERE place IS NULL) n
              WHERE c.xid = n.xid RETURNING 1`,
            [row[0]],
          );
          if (placed.length === 0) return BigInt(row[0]!);
          const place = BigInt(row[0]!) + BigInt(placed.length);
          await query(`UPDATE ${state} SET place = $1`, [place]);
          return place;
        },
        { signal },
      ),

    async rows({ place, xid, id }, { signal }) {
      const rest = xid === null ? [] : await side.query(pieceOf(restSql), [place, xid, id], { signal });
      const found = rest.length > 0 ? rest : await side.query(pieceOf(nextSql), [place], { signal });
      return found.map(([of, transaction, at, number, relation, op, old = null, created = null]) => ({
        place: BigInt(of!),
        xid: transaction!,
        committedAtMs: Number(at),
        id: number!,
        relation: Number(relation),
        op: op!,
        old,
        new: created,
      }));
    },

    async forget(upTo, { signal }) {
      await side.query(
        `WITH gone AS (DELETE FROM ${commits} WHERE place <= $1 RETURNING xid),
              noted AS (UPDATE ${state} SET forgotten = greatest(forgotten, $1))
         DELETE FROM ${rows} WHERE xid IN (SELECT xid FROM gone)`,
        [upTo],
        { signal },
      );
    },

    notes: {
      async read({ signal }) {
        const [row] = await side.query(`SELECT obj_description($1::regclass, 'pg_class')`, [state], { signal });
        return row?.[0] ?? '';
      },
      async write(text, { signal }) {
        await side.query(`COMMENT ON TABLE ${state} IS ${pg.escapeLiteral(text)}`, [], { signal });
      },
    },

    async bytes({ signal }) {
      const [row] = await side.query('SELECT pg_total_relation_size($1::regclass)::text', [rows], { signal });
      return Number(row?.[0]);
    },
  };
}

/** As many of the rows, in their order, as have not become too long before. */
const pieceOf = (rows: string): string => `
  SELECT q.place::text, q.xid::text, (extract(epoch FROM q.at) * 1000)::bigint::text, q.id::text, q.relation::text,
         q.op::text, q.old, q.new
    FROM (SELECT p.*, sum(coalesce(octet_length(p.old), 0) + coalesce(octet_length(p.new), 0))
                        OVER (ORDER BY p.place, p.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
            FROM (${rows}) p) q
   WHERE coalesce(q.before, 0) < ${maxPieceBytes}
   ORDER BY q.place, q.id`;
