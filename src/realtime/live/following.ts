/** Follows the changes of the tables that a query reads, each by itself: one that cannot be followed keeps none of the others back. */
import type { QualifiedName } from '../../engines/catalog.ts';
import type { ChangedTable } from '../../engines/changes.ts';
import type { QueryReads, ReadFilter } from '../../engines/live.ts';
import { AppError } from '../../lib/errors.ts';
import { mayMatter, type TableChange } from './relevance.ts';
import type { Trigger } from './trigger.ts';

export interface FollowedCommit {
  readonly transactionId: string;
  /** Those of the watched tables that it changed. */
  readonly tables: readonly ChangedTable[];
  /** Of these tables; null where there were too many to keep. */
  readonly changes: readonly TableChange[] | null;
}

/** Called in the order of the commits. */
export interface CommitWatcher {
  committed(commit: FollowedCommit): void;
  /** Commits may have been missed. @param reasons as `Watch` gives them, from now on */
  gap(reasons: readonly string[]): void;
  /** The shape of tables may have changed. */
  reshaped(): void;
  /** Nothing is told any more. */
  lost(error: AppError): void;
}

/**
 * Resolves when from now on every commit is told, until the signal aborts; with why of a table only inserts and truncates
 * are. @throws AppError where the tables cannot be followed
 */
export type Watch = (
  tables: readonly QualifiedName[],
  watcher: CommitWatcher,
  options: { signal: AbortSignal; least: 'INSERTS' },
) => Promise<readonly string[]>;

export interface Following extends Disposable {
  /** Every change of every table is told. */
  readonly complete: boolean;
  /** In plain sentences, why not. Empty also while it is only not known yet. */
  readonly reasons: readonly string[];
  /** Tries again what could not be followed, or not all of it. */
  retry(): void;
}

interface Followed {
  readonly stop: AbortController;
  state: 'BEGUN' | 'ALL' | { readonly reason: string };
}

export function follow(
  watch: Watch,
  { tables, filters }: Pick<QueryReads, 'tables' | 'filters'>,
  trigger: Trigger,
): Following {
  const all = new Map<string, Followed>();

  async function begin({ id, schema, name }: QueryReads['tables'][number]): Promise<void> {
    const followed: Followed = { stop: new AbortController(), state: 'BEGUN' };
    all.set(id, followed);
    const { signal } = followed.stop;
    const attached = (reasons: readonly string[]) => {
      followed.state = reasons[0] === undefined ? 'ALL' : { reason: reasons[0] };
      trigger.attach();
    };
    const failed = (error: unknown) => {
      if (signal.aborted) return;
      const reason = error instanceof AppError ? error.message : `changes of ${schema}.${name} are not told`;
      followed.state = { reason };
      // The reason is news.
      trigger.attach();
    };
    const watcher: CommitWatcher = {
      committed(commit) {
        const changed = tablesThatMatter(commit, filters);
        if (changed.length > 0) trigger.commit(commit.transactionId, changed);
      },
      gap: attached,
      reshaped: trigger.reshape,
      lost(error) {
        failed(error);
        trigger.reshape();
      },
    };
    await watch([{ schema, name }], watcher, { signal, least: 'INSERTS' }).then(attached, failed);
  }

  for (const table of tables) void begin(table);

  return {
    get complete() {
      return all.values().every(({ state }) => state === 'ALL');
    },
    get reasons() {
      const reasons = all.values().flatMap(({ state }) => (typeof state === 'object' ? [state.reason] : []));
      return [...new Set(reasons)].sort();
    },
    retry() {
      for (const table of tables) {
        const followed = all.get(table.id);
        if (typeof followed?.state !== 'object') continue;
        followed.stop.abort();
        void begin(table);
      }
    },
    [Symbol.dispose]() {
      for (const { stop } of all.values()) stop.abort();
    },
  };
}

/** As schema.name. */
function tablesThatMatter({ tables, changes }: FollowedCommit, filters: readonly ReadFilter[]): string[] {
  const changed =
    changes === null ? tables : changes.filter((one) => mayMatter(one, filters)).map(({ table }) => table);
  return [...new Set(changed.map(({ schema, name }) => `${schema}.${name}`))];
}
