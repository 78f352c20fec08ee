/** Puts the triggers of an outbox on tables and takes them off, at moments when nobody writes and nobody has to wait for long. */
import { pause } from '../../../../lib/until-aborted.ts';
import type { QualifiedName } from '../../../catalog.ts';
import { factsOf, factsSql, type TableFacts } from '../followable.ts';
import { isLockTimeout } from '../publication.ts';
import type { Side, SideQuery } from '../side.ts';
import { type OutboxNames, triggerEvents, triggersOf } from './installation.ts';

export interface Triggers {
  /** Null: there is no such table. @throws DatabaseError, also where the table could not be had in time */
  put(table: QualifiedName, options: TriggerOptions): Promise<TableFacts | null>;
  /** No-op for those that have none. @throws DatabaseError */
  take(oids: readonly string[], options: TriggerOptions): Promise<void>;
  /** Of tables that have them all. */
  there(options: { signal: AbortSignal }): Promise<string[]>;
}

interface TriggerOptions {
  readonly signal: AbortSignal;
  readonly patienceMs: number;
}

/** A table that is never free is not had at all. */
export const lockPatienceMs = 5_000;
/** So long others wait behind us for a table at the most; it is tried again and again. */
const lockTimeoutMs = 100;
const pauseMs = 150;

export function createTriggers({ side, names }: { side: Side; names: OutboxNames }): Triggers {
  async function soon<T>(work: (query: SideQuery) => Promise<T>, { signal, patienceMs }: TriggerOptions): Promise<T> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      try {
        return await side.transaction(
          async (query) => {
            await query(`SET LOCAL lock_timeout = ${lockTimeoutMs}`);
            return await work(query);
          },
          { signal },
        );
      } catch (error) {
        if (!isLockTimeout(error) || performance.now() > deadline) throw error;
      }
      await pause(pauseMs, signal);
    }
  }

  const namesOn = async (query: SideQuery, oid: string): Promise<string[]> =>
    (
      await query(
        `SELECT tgname FROM pg_trigger WHERE tgrelid = $1 AND tgfoid = to_regprocedure($2) AND tgparentid = 0`,
        [oid, `${names.capture}()`],
      )
    ).map(([name]) => name!);

  return {
    put: ({ schema, name }, options) =>
      soon(async (query) => {
        const [found] = await query(
          `SELECT c.oid::text, c.relkind::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relname = $2`,
          [schema, name],
        );
        if (found === undefined) return null;
        const [oid, kind] = found;
        const [row] = await query(factsSql, [[oid], []]);
        if (row === undefined) return null;
        const facts = factsOf(row, []);
        if (facts.coverage === 'NOTHING') return facts;
        const there = await namesOn(query, oid!);
        if (there.length < triggerEvents.length) {
          await drop(query, facts.sqlName, there);
          for (const statement of triggersOf(names, facts.sqlName, kind === 'p' ? 'PARTITIONED' : 'PLAIN'))
            await query(statement);
        }
        return { ...facts, coverage: 'ALL', reason: null };
      }, options),

    async take(oids, options) {
      for (const oid of oids)
        await soon(async (query) => {
          const [row] = await query(factsSql, [[oid], []]);
          if (row !== undefined) await drop(query, factsOf(row, []).sqlName, await namesOn(query, oid));
        }, options);
    },

    async there({ signal }) {
      const rows = await side.query(
        `SELECT tgrelid::text FROM pg_trigger WHERE tgfoid = to_regprocedure($1) AND tgparentid = 0
          GROUP BY tgrelid HAVING count(*) = $2`,
        [`${names.capture}()`, triggerEvents.length],
        { signal },
      );
      return rows.map(([oid]) => oid!);
    },
  };
}

/** Those that are there: even to look for one takes the table for us alone. */
async function drop(query: SideQuery, table: string, triggers: readonly string[]): Promise<void> {
  for (const trigger of triggers) await query(`DROP TRIGGER ${trigger} ON ${table}`);
}
