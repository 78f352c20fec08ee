/** Puts the triggers of an outbox on tables and takes them off, at moments when nobody writes and nobody has to wait for long. */
import { pause } from '../../../../lib/until-aborted.ts';
import type { QualifiedName } from '../../../catalog.ts';
import { factsOf, factsSql, type TableFacts } from '../followable.ts';
import { isLockTimeout } from '../publication.ts';
import type { Side, SideQuery } from '../side.ts';
import { type OutboxNames, triggerEvents, triggersOf } from './installation.ts';

export interface Triggers {
  /** Null: there is no such table. What it was published as before is ALL or nothing. @throws DatabaseError, also where the table could not be had in time */
  put(table: QualifiedName, options: TriggerOptions): Promise<TableFacts | null>;
  /** No-op for those that have none. @throws DatabaseError */
  take(oids: readonly string[], options: TriggerOptions): Promise<void>;
  /** Of tables that have some: whether all are there and none is switched off. */
  there(options: { signal: AbortSignal }): Promise<Map<string, 'WHOLE' | 'PART'>>;
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

  const those = [`${names.capture}()`, triggerEvents.length];
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
        const [[, whole] = []] = await query(`${thereSql} AND t.tgrelid = $3 ${byTable}`, [...those, oid]);
        if (whole !== 't') {
          await drop(query, facts.sqlName, await namesOn(query, oid!));
          for (const statement of triggersOf(names, facts.sqlName, kind === 'p' ? 'PARTITIONED' : 'PLAIN'))
            await query(statement);
        }
        return { ...facts, coverage: 'ALL', reason: null, published: whole === 't' ? 'ALL' : null };
      }, options),

    async take(oids, options) {
      for (const oid of oids)
        await soon(async (query) => {
          const [row] = await query(factsSql, [[oid], []]);
          if (row !== undefined) await drop(query, factsOf(row, []).sqlName, await namesOn(query, oid));
        }, options);
    },

    async there({ signal }) {
      const rows = await side.query(`${thereSql} ${byTable}`, those, { signal });
      return new Map(rows.map(([oid, whole]) => [oid!, whole === 't' ? 'WHOLE' : 'PART']));
    },
  };
}

/**
 * Tables with triggers of ours, and whether what is written to them is captured whoever writes it: an owner can switch
 * triggers off, of a partition alone, too, and those that he has switched on again are silent for rows of another server.
 */
const thereSql = `
  SELECT t.tgrelid::text, count(*) FILTER (WHERE t.tgenabled = 'A') = $2 AND NOT EXISTS (
           SELECT FROM pg_partition_tree(t.tgrelid) p JOIN pg_trigger c ON c.tgrelid = p.relid
            WHERE c.tgfoid = to_regprocedure($1) AND c.tgenabled IN ('D', 'R'))
    FROM pg_trigger t WHERE t.tgfoid = to_regprocedure($1) AND t.tgparentid = 0`;
const byTable = 'GROUP BY t.tgrelid';

/** Those that are there: even to look for one takes the table for us alone. */
async function drop(query: SideQuery, table: string, triggers: readonly string[]): Promise<void> {
  for (const trigger of triggers) await query(`DROP TRIGGER ${trigger} ON ${table}`);
}
