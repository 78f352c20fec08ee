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
  /** Commits may have been missed. */
  gap(): void;
  /** The shape of tables may have changed. */
  reshaped(): void;
  /** Nothing is told any more. */
  lost(error: AppError): void;
}

/** Resolves when from now on every commit is told, until the signal aborts. @throws AppError where the tables cannot be followed */
export type Watch = (
  tables: readonly QualifiedName[],
  watcher: CommitWatcher,
  options: { signal: AbortSignal },
) => Promise<void>;

export interface Following extends Disposable {
  /** Every change of every table is told. */
  readonly complete: boolean;
  /** In plain sentences, why not. Empty also while it is only not known yet. */
  readonly reasons: readonly string[];
  /** Tries again what could not be followed. */
  retry(): void;
}

export function follow(
  watch: Watch,
  { tables, filters }: Pick<QueryReads, 'tables' | 'filters'>,
  trigger: Trigger,
): Following {
  const over = new AbortController();
  const states = new Map<string, 'BEGUN' | 'FOLLOWED' | string>();

  async function begin(table: QueryReads['tables'][number]): Promise<void> {
    const { id, schema, name } = table;
    states.set(id, 'BEGUN');
    const failed = (error: unknown) => {
      if (over.signal.aborted) return;
      states.set(id, error instanceof AppError ? error.message : `changes of ${schema}.${name} are not told`);
    };
    const watcher: CommitWatcher = {
      committed(commit) {
        const changed = tablesThatMatter(commit, filters);
        if (changed.length > 0) trigger.commit(commit.transactionId, changed);
      },
      gap: trigger.attach,
      reshaped: trigger.reshape,
      lost(error) {
        failed(error);
        trigger.reshape();
      },
    };
    try {
      await watch([{ schema, name }], watcher, { signal: over.signal });
      states.set(id, 'FOLLOWED');
    } catch (error) {
      failed(error);
    }
    // Of one that cannot be followed the reason is news.
    if (!over.signal.aborted) trigger.attach();
  }

  for (const table of tables) void begin(table);

  return {
    get complete() {
      return states.values().every((state) => state === 'FOLLOWED');
    },
    get reasons() {
      return [...new Set(states.values().filter((state) => state !== 'FOLLOWED' && state !== 'BEGUN'))].sort();
    },
    retry() {
      for (const table of tables) {
        const state = states.get(table.id);
        if (state !== 'FOLLOWED' && state !== 'BEGUN') void begin(table);
      }
    },
    [Symbol.dispose]: () => over.abort(),
  };
}

/** As schema.name. */
function tablesThatMatter({ tables, changes }: FollowedCommit, filters: readonly ReadFilter[]): string[] {
  const changed =
    changes === null ? tables : changes.filter((one) => mayMatter(one, filters)).map(({ table }) => table);
  return [...new Set(changed.map(({ schema, name }) => `${schema}.${name}`))];
}
