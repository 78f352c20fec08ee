/**
 * Looks after the partitions of what is followed. One that is emptied by itself, taken out, dropped, or attached with rows in
 * it changes what the whole holds, and neither a log nor a trigger of the whole tells of that: so it is looked for, and told
 * that it was so, but not of which rows.
 */
import { hash } from 'node:crypto';
import type { CommitPosition, FeedEvent } from '../../changes.ts';
import type { Events } from './events.ts';
import type { Side } from './side.ts';

interface Waiting {
  readonly signal: AbortSignal;
}

/** A text that outlives a kept feed, in its target. */
export interface PartitionNotes {
  read(options: Waiting): Promise<string>;
  write(text: string, options: Waiting): Promise<void>;
}

export interface PartitionsDeps {
  readonly side: Pick<Side, 'query'>;
  readonly events: Pick<Events, 'position' | 'emptiedBy'>;
  /** The place up to which all is told that is committed by now. */
  readonly placeNow: (options: Waiting) => Promise<CommitPosition>;
  /** Null: what was is not known when the feed is opened again. */
  readonly notes: PartitionNotes | null;
  /** What is followed was so before this feed was opened. */
  readonly resumed: boolean;
  readonly news: (event: FeedEvent & { type: 'gap' }) => void;
}

export interface Partitions {
  /** From here on it is seen what happens to the partitions of these tables. @throws DatabaseError */
  begin(oids: readonly string[], options: Waiting): Promise<void>;
  /** Looks at those of all that is followed, and tells what was found, once what was committed before has been told. @throws DatabaseError */
  look(oids: readonly string[], options: Waiting): Promise<void>;
}

interface Part {
  /** Another one when it was emptied, or written anew. */
  readonly file: string;
  /** The transaction that changed its row of the catalogue last. */
  readonly changedBy: string;
  /** The transaction that made it a part: another one when it was taken out and put back. */
  readonly attachedBy: string;
  /** Nothing is in it. Read when it is seen for the first time. */
  readonly isEmpty: boolean;
}

/** By oid. */
type Parts = ReadonlyMap<string, Part>;

interface Found {
  readonly oid: string;
  readonly place: CommitPosition;
  /** Transactions that may have emptied the whole, which is told; null: it was something else. */
  readonly emptiedBy: ReadonlySet<string> | null;
}

export function createPartitions(deps: PartitionsDeps): Partitions {
  const { side, events, placeNow, notes, resumed, news } = deps;
  const known = new Map<string, Parts>();
  let found: Found[] = [];
  /** Of before the feed was opened. */
  let noted: ReadonlyMap<string, string> | null = null;
  let written = '';
  /** By the last look, without those that were added since. */
  let lookedAt: Set<string> = new Set();
  let looked = false;

  async function read(oids: readonly string[], { signal }: Waiting): Promise<Map<string, Parts>> {
    const wholes = new Map<string, Map<string, Part>>();
    for (const [oid, part, file, changedBy, attachedBy, isEmpty] of await side.query(partsSql, [oids], { signal })) {
      const parts = wholes.get(oid!) ?? new Map<string, Part>();
      wholes.set(oid!, parts);
      if (part == null) continue;
      parts.set(part, {
        file: file ?? '',
        changedBy: changedBy ?? '',
        attachedBy: attachedBy ?? '',
        isEmpty: isEmpty === 't',
      });
    }
    return wholes;
  }

  function suspect(oid: string, now: Parts): Omit<Found, 'place'> | null {
    const before = known.get(oid);
    if (before) return differenceOf(oid, before, now);
    return noted !== null && noted.get(oid) !== digestOf(now) ? { oid, emptiedBy: null } : null;
  }

  function tell(): void {
    const due = found.filter(({ place }) => place <= events.position);
    found = found.filter((one) => !due.includes(one));
    for (const { oid, emptiedBy } of due) {
      if (!known.has(oid)) continue;
      const told = events.emptiedBy(Number(oid));
      if (emptiedBy === null || [...emptiedBy].some((xid) => !told.includes(xid)))
        news({ type: 'gap', tableId: oid, reason: 'rows came or went with a partition of it' });
    }
  }

  /** Only when what was found is told: else it would be forgotten with the process. */
  async function note({ signal }: Waiting): Promise<void> {
    const text = [...known].map(([oid, parts]) => `${oid}=${digestOf(parts)}`).join(' ');
    if (notes === null || found.length > 0 || text === written) return;
    await notes.write(text, { signal });
    written = text;
  }

  return {
    async begin(oids, options) {
      for (const [oid, parts] of await read(oids, options)) {
        known.set(oid, parts);
        lookedAt.delete(oid);
      }
    },

    async look(oids, options) {
      if (looked) await note(options);
      if (resumed && noted === null) noted = readNotes((await notes?.read(options)) ?? '');
      const now = await read(oids, options);
      const suspected = [...now].map(([oid, parts]) => suspect(oid, parts)).filter((one) => one !== null);
      if (suspected.length > 0) {
        const place = await placeNow(options);
        found.push(...suspected.map((one) => ({ ...one, place })));
      }
      for (const [oid, parts] of now) known.set(oid, parts);
      // Of those alone: others may just be being added.
      for (const oid of lookedAt) if (!now.has(oid)) known.delete(oid);
      lookedAt = new Set(now.keys());
      looked = true;
      tell();
    },
  };
}

/** Null where nothing of what the whole holds has changed with its parts. */
function differenceOf(oid: string, before: Parts, now: Parts): Omit<Found, 'place'> | null {
  const moved = [...before].some(([part, { attachedBy }]) => now.get(part)?.attachedBy !== attachedBy);
  const came = [...now].some(([part, { isEmpty }]) => !before.has(part) && !isEmpty);
  if (moved || came) return { oid, emptiedBy: null };
  const emptied = [...now].filter(([part, { file }]) => before.has(part) && before.get(part)?.file !== file);
  return emptied.length === 0 ? null : { oid, emptiedBy: new Set(emptied.map(([, { changedBy }]) => changedBy)) };
}

const digestOf = (parts: Parts): string =>
  hash(
    'sha256',
    JSON.stringify([...parts].map(([part, { file, attachedBy }]) => [part, file, attachedBy]).sort()),
    'hex',
  ).slice(0, 16);

const readNotes = (text: string): Map<string, string> =>
  new Map([...text.matchAll(/(?<!\d)(\d{1,10})=([0-9a-f]{16})/g)].map(([, oid, digest]) => [oid!, digest!]));

/**
 * Parts of parts, too, each of which is looked at by itself. Rows of one that came are not known to have been told, also where
 * the transaction that made it put it there: it may have filled it before. So one that was filled as a part before it was
 * first looked at is a gap too many.
 */
const partsSql = `
  SELECT w.oid::text, p.*
    FROM unnest($1::oid[]) w (oid)
    JOIN pg_class r ON r.oid = w.oid AND r.relkind = 'p'
    LEFT JOIN LATERAL (
      SELECT c.oid::text AS part, c.relfilenode::text, c.xmin::text, i.xmin::text,
             NOT t.isleaf OR coalesce(pg_relation_size(c.oid), 0) = 0
        FROM pg_partition_tree(w.oid) t
        JOIN pg_class c ON c.oid = t.relid AND c.oid <> w.oid
        JOIN pg_inherits i ON i.inhrelid = c.oid) p ON true`;
