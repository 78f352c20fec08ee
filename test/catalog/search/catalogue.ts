/** Catalogues told in few words: what a test or a benchmark does not name is empty, or what a new table has. */
import type {
  CatalogSnapshot,
  SnapshotColumn,
  SnapshotConstraint,
  SnapshotIndex,
  SnapshotPolicy,
  SnapshotRelation,
  SnapshotRoutine,
  SnapshotTrigger,
} from '../../../src/engines/snapshot.ts';

/** A name, or a name with its comment. */
type Named = string | readonly [name: string, comment: string];

export interface TableToldOf {
  readonly name: Named;
  readonly columns?: readonly Named[];
  readonly indexes?: readonly Named[];
  readonly constraints?: readonly Named[];
  readonly foreignKeys?: readonly Named[];
  readonly triggers?: readonly Named[];
  readonly policies?: readonly Named[];
}

export interface SchemaToldOf {
  readonly name: Named;
  readonly tables?: readonly (TableToldOf | Named)[];
  readonly enums?: readonly Named[];
  readonly sequences?: readonly Named[];
  /** `name(types)`. */
  readonly functions?: readonly Named[];
}

export interface CatalogueToldOf {
  readonly schemas?: readonly SchemaToldOf[];
  readonly extensions?: readonly Named[];
  readonly roles?: readonly string[];
}

const nameOf = (named: Named): string => (typeof named === 'string' ? named : named[0]);
const commentOf = (named: Named): string | null => (typeof named === 'string' ? null : named[1]);
const own = { id: '1', owner: null, privileges: null };
const qualified = (schema: Named, named: Named) => ({
  ...own,
  schema: nameOf(schema),
  name: nameOf(named),
  comment: commentOf(named),
});

export function catalogue({ schemas = [], extensions = [], roles = [] }: CatalogueToldOf): CatalogSnapshot {
  const inSchemas = <Item>(list: (schema: SchemaToldOf) => readonly Item[]): Item[] => schemas.flatMap(list);
  return {
    database: 'told',
    serverVersion: '18.0',
    defaultSchema: 'public',
    schemas: schemas.map(({ name }) => ({ ...own, name: nameOf(name), comment: commentOf(name) })),
    relations: inSchemas(({ name, tables = [] }) =>
      tables.map((told) => relation(name, typeof told === 'object' && 'name' in told ? told : { name: told })),
    ),
    enums: inSchemas(({ name, enums = [] }) =>
      enums.map((told) => ({ ...qualified(name, told), values: ['a'], valueIds: ['1'] })),
    ),
    sequences: inSchemas(({ name, sequences = [] }) =>
      sequences.map((told) => ({
        ...qualified(name, told),
        dataType: 'bigint',
        start: '1',
        increment: '1',
        minimum: '1',
        maximum: '9',
        cache: '1',
        cycle: false,
        unlogged: false,
        identity: false,
        ownedBy: null,
      })),
    ),
    routines: inSchemas(({ name, functions = [] }) => functions.map((told) => routine(name, told))),
    extensions: extensions.map((told) => ({
      id: '1',
      name: nameOf(told),
      comment: commentOf(told),
      version: '1',
      schema: null,
    })),
    roles: roles.map((name) => ({
      name,
      canLogin: true,
      superuser: false,
      createDatabase: false,
      createRole: false,
      inherit: true,
      replication: false,
      bypassRowSecurity: false,
      connectionLimit: null,
      memberOf: [],
      memberships: [],
    })),
    domains: [],
    compositeTypes: [],
    rangeTypes: [],
    eventTriggers: [],
    publications: [],
    foreignDataWrappers: [],
    foreignServers: [],
    others: [],
    extensionMembers: { schemas: [], relations: [], enums: [], sequences: [], routines: [] },
  };
}

function relation(schema: Named, told: TableToldOf): SnapshotRelation {
  const { columns = [], indexes = [], triggers = [], policies = [] } = told;
  return {
    ...qualified(schema, told.name),
    kind: 'TABLE',
    unlogged: false,
    accessMethod: 'heap',
    tablespace: null,
    options: [],
    rowSecurity: false,
    forceRowSecurity: false,
    replicaIdentity: 'DEFAULT',
    partitionKey: null,
    partitionBound: null,
    parents: [],
    ofType: null,
    definition: null,
    foreign: null,
    columns: columns.map(column),
    indexes: indexes.map(index),
    constraints: [
      ...(told.constraints ?? []).map((named) => constraint('CHECK', named)),
      ...(told.foreignKeys ?? []).map((named) => constraint('FOREIGN_KEY', named)),
      ...columns.map((named) => constraint('NOT_NULL', `${nameOf(told.name)}_${nameOf(named)}_not_null`)),
    ],
    foreignKeys: [],
    triggers: triggers.map(trigger),
    policies: policies.map(policy),
    rules: [],
    statistics: [],
    origins: [],
  };
}

const column = (named: Named, place: number): SnapshotColumn => ({
  id: `1.${place}`,
  name: nameOf(named),
  comment: commentOf(named),
  position: place + 1,
  dataType: 'text',
  nullable: false,
  notNull: true,
  default: null,
  generated: null,
  generatedKind: null,
  identity: null,
  primaryKeyPosition: null,
  unique: false,
  indexed: false,
  enumValues: null,
  collation: null,
  collationSchema: null,
  inherited: false,
  local: true,
  storage: null,
  compression: null,
  statisticsTarget: null,
  options: [],
  foreignOptions: [],
  privileges: null,
});

const index = (named: Named): SnapshotIndex => ({
  id: '1',
  name: nameOf(named),
  comment: commentOf(named),
  columns: [],
  unique: false,
  primary: false,
  valid: true,
  method: 'btree',
  predicate: null,
  definition: '',
  constraint: null,
  parent: null,
  clustered: false,
  replicaIdentity: false,
  statisticsTargets: [],
  tablespace: null,
});

const constraint = (kind: SnapshotConstraint['kind'], named: Named): SnapshotConstraint => ({
  id: '1',
  name: nameOf(named),
  comment: commentOf(named),
  kind,
  columns: [],
  definition: '',
  deferrable: false,
  validated: true,
  inherited: false,
  local: true,
  index: null,
});

const trigger = (named: Named): SnapshotTrigger => ({
  id: '1',
  name: nameOf(named),
  comment: commentOf(named),
  timing: 'AFTER',
  events: ['INSERT'],
  level: 'ROW',
  enabled: true,
  definition: '',
  function: null,
  fires: 'ORIGIN',
  inherited: false,
});

const policy = (named: Named): SnapshotPolicy => ({
  id: '1',
  name: nameOf(named),
  comment: commentOf(named),
  command: 'ALL',
  permissive: true,
  roles: ['public'],
  using: null,
  check: null,
});

function routine(schema: Named, named: Named): SnapshotRoutine {
  const [, name = '', identity = ''] = /^(.*)\((.*)\)$/.exec(nameOf(named)) ?? [];
  return {
    ...qualified(schema, named),
    name,
    identity,
    kind: 'FUNCTION',
    arguments: [],
    returns: 'void',
    language: 'sql',
    volatility: 'VOLATILE',
    securityDefiner: false,
    definition: '',
    aggregate: null,
  };
}
