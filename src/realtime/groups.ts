/** The groups of readers of one feed: who wants the same is in the same one, as long as anybody is in it. */
import type { RowAccess } from '../engines/row-access.ts';
import type { ChangeLog } from './change-log.ts';
import { type Dispatch, indexKeysOf } from './dispatch.ts';
import type { Positions } from './positions.ts';
import { createReaderGroup, type ReaderGroup } from './reader-group.ts';
import type { Source } from './row-change.ts';
import type { RowRights } from './row-rights.ts';
import { keyOfSources } from './sources.ts';

export interface Groups {
  /** @param accesses of the tables of the sources, in their order */
  join(sources: readonly Source[], accesses: readonly RowAccess[]): { readonly group: ReaderGroup } & Disposable;
}

export interface GroupsDeps {
  readonly databaseId: string;
  readonly log: ChangeLog;
  readonly positions: Positions;
  readonly rights: RowRights;
  readonly dispatch: Dispatch;
}

interface Entry {
  readonly group: ReaderGroup;
  readonly held: DisposableStack;
  readers: number;
}

export function createGroups({ dispatch, rights, ...deps }: GroupsDeps): Groups {
  const entries = new Map<string, Entry>();

  function begin(sources: readonly Source[], accesses: readonly RowAccess[]): Entry {
    const keys = indexKeysOf(sources);
    const group = createReaderGroup({ ...deps, sources, rights, indexed: keys !== null });
    const held = new DisposableStack();
    for (const access of accesses) held.use(rights.hold(access));
    held.use(dispatch.add(group, sources, keys, new Map(accesses.map((access) => [access.id, access]))));
    return { group, held, readers: 0 };
  }

  return {
    join(sources, accesses) {
      const key = keyOfSources(sources);
      const entry = entries.get(key) ?? begin(sources, accesses);
      entries.set(key, entry);
      entry.readers += 1;
      let left = false;
      return {
        group: entry.group,
        [Symbol.dispose]() {
          if (left) return;
          left = true;
          entry.readers -= 1;
          if (entry.readers > 0) return;
          entries.delete(key);
          entry.held.dispose();
        },
      };
    },
  };
}
