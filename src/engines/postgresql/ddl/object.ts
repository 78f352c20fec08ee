/** What a script is made of: objects with the statements that make them, and what they have to stand behind. */

/** Names an object as pg_depend does: `pg_class:16390`. What only a script tells apart has a suffix: `pg_class:16390/attach`. */
export type Address = string;

/** A piece of an object's statements that can be taken out, to stand on its own where it would close a circle. */
export interface Part {
  readonly address: Address;
  readonly rank: number;
  readonly sql: string;
}

export interface DdlObject {
  readonly key: Address;
  /** Its place among others that it has nothing to do with, as the ranks below. */
  readonly rank: number;
  /** The order within a rank. */
  readonly schema: string | null;
  readonly name: string;
  /** Its statements, without the parts that stand on their own. */
  sql(without: ReadonlySet<Address>): string;
  readonly parts: readonly Part[];
  /** What it needs and pg_depend does not tell. It is left out of a script where one of these is. */
  readonly needs: readonly Address[];
}

export interface Edge {
  readonly from: Address;
  readonly to: Address;
  /** `deptype` of pg_depend. */
  readonly type: string;
}

export const ranks = {
  schema: 10,
  extension: 12,
  language: 20,
  collation: 30,
  shell: 38,
  type: 40,
  routine: 50,
  aggregate: 52,
  accessMethod: 53,
  operator: 54,
  operatorFamily: 55,
  operatorClass: 56,
  cast: 57,
  conversion: 58,
  transform: 59,
  textSearch: 60,
  wrapper: 64,
  server: 65,
  sequence: 70,
  table: 71,
  view: 75,
  ownedBy: 76,
  attach: 77,
  default: 78,
  check: 79,
  key: 80,
  index: 82,
  attachIndex: 83,
  statistics: 84,
  rule: 85,
  trigger: 86,
  policy: 88,
  foreignKey: 90,
  publication: 92,
  published: 93,
  // They would run for everything behind them.
  eventTrigger: 99,
} as const;

/** Of an object that is written in one piece. */
export const whole = (
  object: Pick<DdlObject, 'key' | 'rank' | 'schema' | 'name'> & { readonly sql: string; readonly needs?: string[] },
): DdlObject => ({ ...object, sql: () => object.sql, parts: [], needs: object.needs ?? [] });
