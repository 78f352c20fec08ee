/**
 * What the credentials of one database may read of the tables that are followed there: privileges and policies, read anew
 * every few seconds, and at once where a table has another shape than is known.
 */
import type { QualifiedName } from '../engines/catalog.ts';
import type { ChangedTable } from '../engines/changes.ts';
import type { RowAccess, RowsAsked, RowsSeen, TablesAsked } from '../engines/row-access.ts';
import { AppError, notFound } from '../lib/errors.ts';
import { createGathered } from '../lib/gathered.ts';
import type { Piece } from './change.ts';
import type { Verdict } from './row-change.ts';
import { createVisibility } from './visibility.ts';

export interface RowRightsLimits {
  /** A GRANT, a REVOKE, a new policy is heeded so soon. */
  readonly refreshMs: number;
  /** Nothing is told any more when the target has not answered for so long. */
  readonly staleMs: number;
}

export const rowRightsLimits: RowRightsLimits = { refreshMs: 3_000, staleMs: 15_000 };

export interface RowRightsDeps {
  /** @throws AppError CONNECTION_FAILED, TIMEOUT, SQL_ERROR */
  readonly read: (asked: TablesAsked) => Promise<(RowAccess | null)[]>;
  readonly rowsSeen: (asked: RowsAsked) => Promise<RowsSeen>;
  readonly limits?: Partial<RowRightsLimits> | undefined;
}

/** What may be told of the changes of a piece. */
export interface PieceRights {
  /** @throws AppError NOT_FOUND for a table that is gone, CONNECTION_FAILED where the target has not answered for long */
  accessOf(tableId: string): RowAccess;
  /** For each change; null where no policies apply to any of the tables. */
  readonly verdicts: readonly Verdict[] | null;
}

export interface RowRights extends Disposable {
  /** Of tables by name, a few seconds old at the most; null: not there. @throws AppError CONNECTION_FAILED, TIMEOUT, SQL_ERROR */
  look(names: readonly QualifiedName[]): Promise<(RowAccess | null)[]>;
  /** Reads them anew from now on, until as many have released it. */
  hold(access: RowAccess): Disposable;
  /** @throws as accessOf; what the target says where policies apply */
  of(piece: Piece): Promise<PieceRights>;
  /** @throws as PieceRights.accessOf */
  accessOf(tableId: string): RowAccess;
}

interface Held {
  access: RowAccess | null;
  text: string;
  readAt: number;
  holders: number;
}

export function createRowRights({ read, rowsSeen, ...deps }: RowRightsDeps): RowRights {
  const limits = { ...rowRightsLimits, ...deps.limits };
  const held = new Map<string, Held>();
  const visibility = createVisibility({ rowsSeen });
  const judged = new WeakMap<Piece, { readonly at: number; readonly verdicts: Promise<readonly Verdict[]> }>();
  /** The access that the shape of a table was compared with. */
  const compared = new WeakMap<ChangedTable, RowAccess>();
  let refreshing: Promise<void> | null = null;
  const find = createGathered<RowAccess>({
    maxReads: 1,
    async read(keys) {
      const names = keys.map((key) => {
        const [schema = '', name = ''] = JSON.parse(key) as string[];
        return { schema, name };
      });
      const found = await read({ names });
      return new Map(keys.flatMap((key, place) => (found[place] ? [[key, found[place]] as const] : [])));
    },
  });

  const timer = setInterval(() => void refresh().catch(() => undefined), limits.refreshMs).unref();

  /** Those who ask at once share it; what fails is tried again, and grows stale. */
  function refresh(): Promise<void> {
    refreshing ??= refreshAll().finally(() => {
      refreshing = null;
    });
    return refreshing;
  }

  async function refreshAll(): Promise<void> {
    if (held.size === 0) return;
    const ids = [...held.keys()];
    const since = performance.now();
    const found = await read({ ids });
    for (const [place, id] of ids.entries()) {
      const known = held.get(id);
      if (known) note(known, found[place] ?? null, since);
    }
  }

  /** The same object as long as nothing has changed. */
  function note(known: Held, access: RowAccess | null, readAt: number): void {
    const text = JSON.stringify(access);
    if (text !== known.text) Object.assign(known, { access, text });
    known.readAt = readAt;
  }

  function accessOf(tableId: string): RowAccess {
    const known = held.get(tableId);
    if (!known?.access) throw notFound('Table');
    if (performance.now() - known.readAt > limits.staleMs)
      throw new AppError('CONNECTION_FAILED', 'The database does not answer what may be read of its rows', {
        details: { reason: 'RIGHTS' },
      });
    return known.access;
  }

  const isNew = (table: ChangedTable): boolean => {
    const access = held.get(table.id)?.access;
    return access != null && compared.get(table) !== access && !fits(table, access);
  };

  /** For all who come at about the same time; who comes later is told by the rights of then. */
  function judge(piece: Piece): Promise<readonly Verdict[]> {
    const known = judged.get(piece);
    if (known && performance.now() - known.at < limits.refreshMs) return known.verdicts;
    const anew = visibility.judge(piece, (tableId) => held.get(tableId)?.access ?? null);
    const verdicts = known ? merged(piece, known.verdicts, anew) : anew;
    judged.set(piece, { at: performance.now(), verdicts });
    verdicts.catch(() => (known ? judged.set(piece, known) : judged.delete(piece)));
    return verdicts;
  }

  return {
    async look(names) {
      const now = performance.now();
      const fresh = [...held.values()].filter(({ readAt }) => now - readAt < limits.refreshMs);
      const known = names.map(({ schema, name }) =>
        fresh.find(({ access }) => access?.name === name && access.schema === schema),
      );
      // Thousands may come for the same table at once.
      if (known.every((one) => one !== undefined)) return known.map(({ access }) => access);
      return (await Promise.all(names.map((name) => find(JSON.stringify([name.schema, name.name]))))).map(
        (found) => found ?? null,
      );
    },

    hold(access) {
      const known = held.get(access.id) ?? { access, text: '', readAt: 0, holders: 0 };
      held.set(access.id, known);
      note(known, access, performance.now());
      known.holders += 1;
      let released = false;
      return {
        [Symbol.dispose]() {
          if (released) return;
          released = true;
          known.holders -= 1;
          if (known.holders === 0 && held.get(access.id) === known) held.delete(access.id);
        },
      };
    },

    async of(piece) {
      const tables = new Set(piece.changes.map(({ table }) => table));
      // What is being read may be of before the change.
      if ([...tables].some(isNew)) await refreshing?.catch(() => undefined);
      if ([...tables].some(isNew)) await refresh();
      for (const table of tables) {
        const access = held.get(table.id)?.access;
        // One that differs still is as old as the change: what it has lost is not told.
        if (access) compared.set(table, access);
      }
      const secured = [...tables].some(({ id }) => held.get(id)?.access?.rowSecurity);
      return { accessOf, verdicts: secured ? await judge(piece) : null };
    },

    accessOf,

    [Symbol.dispose]: () => clearInterval(timer),
  };
}

/** That a row is gone could be judged only once: who was told of it then is forgotten now. */
async function merged(
  { changes }: Piece,
  before: Promise<readonly Verdict[]>,
  anew: Promise<readonly Verdict[]>,
): Promise<readonly Verdict[]> {
  const [first, now] = await Promise.all([before, anew]);
  return now.map((verdict, index) => {
    const kept = first[index];
    if (kept === 'CAME') return verdict === 'TOLD' ? kept : verdict;
    return kept === 'LEFT' || (changes[index]?.type === 'delete' && kept === 'TOLD') ? kept : verdict;
  });
}

function fits(table: ChangedTable, access: RowAccess): boolean {
  const types = new Map(access.columns.map(({ name, dataType }) => [name, dataType]));
  return table.columns.every(({ name, dataType }) => types.get(name) === dataType);
}
