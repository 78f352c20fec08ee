/**
 * The two publications of a feed: exactly the tables that are followed. One that told of an UPDATE of a table whose old
 * rows nothing identifies would make that UPDATE fail: such a table goes into the other, which tells of INSERT and
 * TRUNCATE alone. Never FOR ALL TABLES, never WHERE or a list of columns, each of which can break the owner's writes, too.
 */
import pg from 'pg';
import { pause } from '../../../lib/until-aborted.ts';
import type { QualifiedName } from '../../catalog.ts';
import type { CommitPosition } from '../../changes.ts';
import { factsOf, factsSql, type TableFacts } from './followable.ts';
import { before, positionOf } from './lsn.ts';
import type { FeedNames } from './names.ts';
import type { PartitionNotes } from './partitions.ts';
import type { Side, SideQuery } from './side.ts';

export interface Publication {
  /** Makes both, empty. */
  make(options: PublicationOptions): Promise<void>;
  /** Those that are there, with what they tell all of; null: one is missing. */
  resume(options: PublicationOptions): Promise<TableFacts[] | null>;
  /** Adds a table, or moves it to where it belongs now. Null: there is no such table. @throws DatabaseError */
  publish(table: QualifiedName, options: PublicationOptions): Promise<TableFacts | null>;
  /** The same by its id. */
  publishById(oid: string, options: PublicationOptions): Promise<TableFacts | null>;
  /**
   * Waits until no transaction goes on that may have written to the tables before they were published: of those the log
   * tells a part. @returns the place behind which it tells all, and the ids of tables for which the patience was too short
   */
  settle(oids: readonly string[], options: PublicationOptions & { patienceMs: number }): Promise<Settled>;
  withdraw(oids: readonly string[], options: PublicationOptions): Promise<void>;
  /** Up to it the log has told what is committed by now. */
  placeNow(options: PublicationOptions): Promise<CommitPosition>;
  /** With the publications. */
  readonly notes: PartitionNotes;
  /** What the catalogue says of the tables now; of one that is gone nothing. Null: a publication is gone. */
  look(oids: readonly string[], options: PublicationOptions): Promise<TableFacts[] | null>;
  /** Those that this one has made: another feed of the same name has its own. */
  drop(options: PublicationOptions): Promise<void>;
}

export interface Settled {
  readonly after: CommitPosition;
  readonly busy: readonly string[];
}

interface PublicationOptions {
  readonly signal: AbortSignal;
}

const firstPollMs = 10;
const lastPollMs = 500;
/** Since 18 stored generated columns are told where this is set; where one is in the identity, writes fail without it. */
const generatedColumnsSince = 18;

export function createPublication({
  side,
  names,
  major,
}: {
  side: Side;
  names: Pick<FeedNames, 'publication' | 'insertPublication'>;
  major: number;
}): Publication {
  const { publication, insertPublication } = names;
  const both = [publication, insertPublication];
  let made: (string | null)[] = [];
  const generated = major >= generatedColumnsSince ? ', publish_generated_columns = stored' : '';
  const options = (publish: string) => `publish = '${publish}', publish_via_partition_root = true${generated}`;
  const published = { [publication]: 'insert, update, delete, truncate', [insertPublication]: 'insert, truncate' };

  async function factsOfOne(query: SideQuery, oid: string): Promise<TableFacts | null> {
    const [row] = await query(factsSql, [[oid], both]);
    return row === undefined ? null : factsOf(row, both);
  }

  async function publishIn(query: SideQuery, oid: string): Promise<TableFacts | null> {
    const seen = await factsOfOne(query, oid);
    if (seen === null) return null;
    // What cannot be locked as ours cannot be published either.
    if (seen.coverage === 'NOTHING') {
      if (seen.published !== null) await remove(query, seen);
      return seen;
    }
    // Nobody takes its identity away between the look and the end of the transaction; writers go on.
    await query(`LOCK TABLE ${seen.sqlName} IN SHARE UPDATE EXCLUSIVE MODE`);
    const facts = await factsOfOne(query, oid);
    if (facts === null || facts.coverage === facts.published) return facts;
    // It was renamed while we waited, and another one has been locked in its place.
    if (facts.sqlName !== seen.sqlName) return await publishIn(query, oid);
    if (facts.published !== null) await remove(query, facts);
    if (facts.coverage === 'NOTHING') return facts;
    const into = facts.coverage === 'ALL' ? publication : insertPublication;
    // ONLY: tables that inherit from it are tables of their own. Partitions are told of as the whole in any case.
    await query(`ALTER PUBLICATION ${into} ADD TABLE ONLY ${facts.sqlName}`);
    await note(query, [...(await unsettled(query)), oid]);
    return facts;
  }

  const remove = async (query: SideQuery, { published, sqlName }: TableFacts): Promise<void> => {
    const from = published === 'ALL' ? publication : insertPublication;
    await query(`ALTER PUBLICATION ${from} DROP TABLE ONLY ${sqlName}`);
  };

  const areThere = async (query: SideQuery): Promise<boolean> => {
    const [row] = await query('SELECT count(*)::text FROM pg_publication WHERE pubname = ANY ($1)', [both]);
    return row?.[0] === '2';
  };

  /** Ids of tables of which the log may not tell all yet: whoever goes on with the feed of a process that died has to know. */
  const unsettled = async (query: SideQuery): Promise<string[]> => {
    const [row] = await query(`SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = $1`, [
      publication,
    ]);
    return row?.[0]?.match(/\d+/g) ?? [];
  };
  const note = async (query: SideQuery, oids: readonly string[]): Promise<void> => {
    const comment = oids.length === 0 ? 'NULL' : pg.escapeLiteral(`being added: ${oids.join(', ')}`);
    await query(`COMMENT ON PUBLICATION ${publication} IS ${comment}`);
  };

  async function placeNow({ signal }: PublicationOptions): Promise<CommitPosition> {
    const [row] = await side.query('SELECT pg_current_wal_insert_lsn()::text', [], { signal });
    return before(positionOf(row![0]!));
  }

  return {
    placeNow,

    notes: {
      async read({ signal }) {
        const [row] = await side.query(
          `SELECT obj_description(oid, 'pg_publication') FROM pg_publication WHERE pubname = $1`,
          [insertPublication],
          { signal },
        );
        return row?.[0] ?? '';
      },
      async write(text, { signal }) {
        await side.query(`COMMENT ON PUBLICATION ${insertPublication} IS ${pg.escapeLiteral(text)}`, [], { signal });
      },
    },

    make: ({ signal }) =>
      side.transaction(
        async (query) => {
          await query(lockSql, [publication]);
          await query(`DROP PUBLICATION IF EXISTS ${both.join(', ')}`);
          for (const name of both) await query(`CREATE PUBLICATION ${name} WITH (${options(published[name]!)})`);
          made = (await query('SELECT oid::text FROM pg_publication WHERE pubname = ANY ($1)', [both])).flat();
        },
        { signal },
      ),

    resume: ({ signal }) =>
      side.transaction(
        async (query) => {
          if (!(await areThere(query))) return null;
          for (const oid of await unsettled(query)) {
            const facts = await factsOfOne(query, oid);
            if (facts?.published != null) await remove(query, facts);
          }
          await note(query, []);
          const rows = await query(
            `SELECT r.prrelid::text FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
              WHERE p.pubname = ANY ($1)`,
            [both],
          );
          return (await query(factsSql, [rows.map(([oid]) => oid), both])).map((row) => factsOf(row, both));
        },
        { signal },
      ),

    publish: ({ schema, name }, { signal }) =>
      side.transaction(
        async (query) => {
          const [row] = await query(
            `SELECT c.oid::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
              WHERE n.nspname = $1 AND c.relname = $2`,
            [schema, name],
          );
          return row === undefined ? null : await publishIn(query, row[0]!);
        },
        { signal },
      ),

    publishById: (oid, { signal }) => side.transaction((query) => publishIn(query, oid), { signal }),

    async settle(oids, { signal, patienceMs }) {
      const deadline = performance.now() + patienceMs;
      let writers = await side.query(writersSql, [oids], { signal });
      for (let pollAfterMs = firstPollMs; writers.length > 0 && performance.now() < deadline; ) {
        await pause(Math.min(pollAfterMs, Math.max(0, deadline - performance.now())), signal);
        pollAfterMs = Math.min(pollAfterMs * 2, lastPollMs);
        const before = new Set(writers.map((writer) => writer.join()));
        // Those that began since have written nothing that is not told.
        writers = (await side.query(writersSql, [oids], { signal })).filter((writer) => before.has(writer.join()));
      }
      // Servers of before May 2025 may still go by what they read of the tables in a transaction that had begun before:
      // a publication that is altered once more, and in nothing, makes them read it again.
      await side.transaction(
        async (query) => {
          for (const name of both) await query(`ALTER PUBLICATION ${name} SET (publish = '${published[name]}')`);
          await note(
            query,
            (await unsettled(query)).filter((oid) => !oids.includes(oid)),
          );
        },
        { signal },
      );
      return { after: await placeNow({ signal }), busy: [...new Set(writers.map(([oid]) => oid!))] };
    },

    async withdraw(oids, { signal }) {
      await side.transaction(
        async (query) => {
          for (const row of await query(factsSql, [oids, both])) {
            const facts = factsOf(row, both);
            if (facts.published !== null) await remove(query, facts);
          }
        },
        { signal },
      );
    },

    look: (oids, { signal }) =>
      side.transaction(
        async (query) =>
          (await areThere(query)) ? (await query(factsSql, [oids, both])).map((row) => factsOf(row, both)) : null,
        { signal },
      ),

    drop: ({ signal }) =>
      side.transaction(
        async (query) => {
          await query(lockSql, [publication]);
          const own = await query('SELECT pubname FROM pg_publication WHERE oid = ANY ($1::oid[])', [made]);
          if (own.length > 0) await query(`DROP PUBLICATION ${own.join(', ')}`);
        },
        { signal },
      ),
  };
}

/** Nobody else makes or drops them meanwhile. */
const lockSql = 'SELECT pg_advisory_xact_lock(hashtextextended($1, 0))';

/** Whoever has written to a table, or to a part of it, holds this lock to the end of his transaction, a prepared one too. */
const writersSql = `
  SELECT w.oid::text, l.virtualtransaction
    FROM unnest($1::oid[]) w (oid)
    JOIN LATERAL (SELECT w.oid AS relation UNION SELECT relid FROM pg_partition_tree(w.oid)) p ON true
    JOIN pg_locks l ON l.relation = p.relation AND l.locktype = 'relation' AND l.granted
     AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
     AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
   GROUP BY w.oid, l.virtualtransaction`;

/** Nobody let us have the table in time. */
export const isLockTimeout = (error: unknown): boolean => error instanceof pg.DatabaseError && error.code === '55P03';
