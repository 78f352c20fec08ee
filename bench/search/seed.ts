/**
 * Catalogues as companies have them: the same words everywhere, a few large databases and many small ones, each with some
 * names of its own. The same ones in every run.
 */
import type { CatalogSnapshot } from '../../src/engines/snapshot.ts';
import { catalogue, type TableToldOf } from '../../test/catalog/search/catalogue.ts';

const subjects =
  'account address audit basket batch booking branch budget campaign cart category channel city claim client comment company contact contract country coupon currency customer delivery department device discount document domain employee entry event feature feedback file group holiday image import incident industry inventory invoice item job journal language lead ledger license line location log machine manager market material member message metric milestone model module note notification offer order organization owner package page parcel partner payment payroll period permission person phone plan plant policy position price product profile project promotion property provider purchase quantity question queue rate rating reason receipt record refund region reminder rent report request reservation resource return review reward role route rule salary sample schedule section segment sensor serial service session setting shift shipment shop site source staff stage state statement station status step stock store subscription summary supplier survey tag target task tax team template tenant term ticket token tour transaction transfer type unit usage user vehicle vendor version visit voucher warehouse website worker zone'.split(
    ' ',
  );
const additions =
  'archive daily detail draft external history item link log map monthly queue raw stage stats tmp view'.split(' ');
const common = ['id', 'created_at', 'updated_at', 'created_by', 'name', 'status', 'deleted_at', 'tenant_id'];
const attributes =
  'amount city code comment count country currency date description email end_date enabled external_ref first_name kind label last_name lat lon notes number phone postal_code price priority quantity rate reference score size source start_date street title total type url value version weight'.split(
    ' ',
  );

/** Numbers between 0 and 1 that are the same in every run (mulberry32). */
export function createChance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const syllables = 'ba be bo cra dex fi gol hin ka lor mex nu ora pel qui ras sto tur vex wim yla zor'.split(' ');

export interface Seeded {
  readonly name: string;
  readonly snapshot: CatalogSnapshot;
  readonly objects: number;
}

/** A database with about so many objects. */
export function seededDatabase(number: number, wanted: number): Seeded {
  const chance = createChance(number + 1);
  const one = <Item>(items: readonly Item[]): Item => items[Math.floor(chance() * items.length)]!;
  const rare = () => one(syllables) + one(syllables) + one(syllables);
  const names = new Set<string>();
  const fresh = (): string => {
    let name = `${chance() < 0.2 ? rare() : one(subjects)}_${one(subjects)}`;
    if (chance() < 0.3) name += `_${one(additions)}`;
    while (names.has(name)) name += `_${one(additions)}`;
    names.add(name);
    return name;
  };
  const schemas = Array.from({ length: 1 + Math.floor(wanted / 20_000) }, (_, place) => (place ? rare() : 'public'));
  const tables: TableToldOf[][] = schemas.map(() => []);
  let objects = 1 + schemas.length;
  while (objects < wanted) {
    const name = fresh();
    const columns = new Set<string>([...common.filter(() => chance() < 0.8), `${one(subjects)}_id`]);
    const width = 4 + Math.floor(chance() * 12);
    while (columns.size < width) {
      const kind = chance();
      columns.add(kind < 0.6 ? one(attributes) : kind < 0.95 ? `${one(subjects)}_${one(attributes)}` : rare());
    }
    const about = (what: string) => `The ${what.replaceAll('_', ' ')} of each ${one(subjects)} in its ${one(subjects)}`;
    const commented = chance() < 0.3;
    const indexes = [`${name}_pkey`, ...[...columns].filter((c) => c.endsWith('_id')).map((c) => `${name}_${c}_idx`)];
    one(tables).push({
      name: commented ? [name, about(name)] : name,
      columns: [...columns].map((column) => (commented && chance() < 0.3 ? [column, about(column)] : column)),
      indexes,
      constraints: [`${name}_pkey`],
      foreignKeys: chance() < 0.5 ? [`${name}_fkey`] : [],
    });
    objects += 1 + columns.size + indexes.length + 1;
  }
  const snapshot = catalogue({ schemas: schemas.map((name, place) => ({ name, tables: tables[place]! })) });
  return { name: `${one(subjects)} ${number}`, snapshot, objects };
}

/** How many objects each of so many databases has: the largest some hundred times the smallest. */
export function sizesOf(databases: number, total: number): number[] {
  const shares = Array.from({ length: databases }, (_, place) => 1 / (place + 3));
  const sum = shares.reduce((all, share) => all + share, 0);
  return shares.map((share) => Math.max(50, Math.round((share / sum) * total)));
}
