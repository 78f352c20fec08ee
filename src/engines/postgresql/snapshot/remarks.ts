/** What is said of objects, and which of them an extension has made: found by their oids, whatever they are. */
import { type CatalogTable, catalogs, firstUserOid } from './oids.ts';
import type { Ask } from './source.ts';

export interface ColumnComment {
  /** Of the column. */
  readonly number: number;
  readonly text: string;
}

export interface Remarks {
  /** Asks; whoever asks behind it finds all that is said, and what is read from that answer may rely on it. */
  readRemarks(): Promise<void>;
  comment(catalog: CatalogTable, oid: string | number): string | null;
  commentsOnColumns(relation: string | number): readonly ColumnComment[];
  isMember(catalog: CatalogTable, oid: string | number): boolean;
}

export function createRemarks(ask: Ask): Remarks {
  /** By catalogue. */
  const comments = new Map<number, Map<number, string>>();
  /** By relation: nothing else has parts. */
  const columnComments = new Map<number, ColumnComment[]>();
  /** By catalogue. */
  const members = new Map<number, Set<number>>();
  return {
    // All at once: joined to each kind they would cost a look-up for each object, and most have none.
    async readRemarks() {
      await Promise.all([
        ask(
          `select classoid, objoid, nullif(objsubid, 0), description from pg_catalog.pg_description
           where objoid >= ${firstUserOid} or classoid = 'pg_catalog.pg_namespace'::regclass`,
          [],
          {
            ways: ['NUMBER', 'NUMBER', 'NUMBER', 'OWN'],
            take(row) {
              const [catalog, oid, number, text] = row as [number, number, number | null, string];
              if (number === null) groupOf(comments, catalog, () => new Map()).set(oid, text);
              else groupOf(columnComments, oid, () => []).push({ number, text });
            },
          },
        ),
        ask(
          `select d.classid, d.objid from pg_catalog.pg_depend d
           where d.refclassid = 'pg_catalog.pg_extension'::regclass and d.deptype = 'e' and d.objid >= ${firstUserOid}`,
          [],
          {
            ways: ['NUMBER', 'NUMBER'],
            take(row) {
              const [catalog, oid] = row as [number, number];
              groupOf(members, catalog, () => new Set()).add(oid);
            },
          },
        ),
      ]);
    },
    comment: (catalog, oid) => comments.get(catalogs[catalog])?.get(Number(oid)) ?? null,
    commentsOnColumns: (relation) => columnComments.get(Number(relation)) ?? noComments,
    isMember: (catalog, oid) => members.get(catalogs[catalog])?.has(Number(oid)) ?? false,
  };
}

const noComments: readonly ColumnComment[] = [];

export const commentOn = (comments: readonly ColumnComment[], column: number): string | null =>
  comments.find(({ number }) => number === column)?.text ?? null;

function groupOf<Group>(groups: Map<number, Group>, key: number, create: () => Group): Group {
  const known = groups.get(key);
  if (known) return known;
  const created = create();
  groups.set(key, created);
  return created;
}
