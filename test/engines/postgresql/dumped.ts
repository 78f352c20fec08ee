/** What the statements of pg_dump 15 say of each object, made from a snapshot: what is in it cannot be unsaid here. */
import type { QualifiedName } from '../../../src/engines/catalog.ts';
import { catalogs } from '../../../src/engines/postgresql/snapshot/oids.ts';
import type {
  CatalogSnapshot,
  SnapshotColumn,
  SnapshotIndex,
  SnapshotRelation,
} from '../../../src/engines/snapshot.ts';
import type { DumpEntry } from '../../support/dump-entries.ts';

/** Parts of the statements by the object, `1259 16386`. */
export interface Dumped {
  readonly objects: ReadonlyMap<string, readonly string[]>;
  /** Of what pg_dump lists apart from its object. */
  readonly statements: readonly string[];
}

const catalogOf = {
  TYPE: 'pg_type',
  COLLATION: 'pg_collation',
  LANGUAGE: 'pg_language',
  ACCESS_METHOD: 'pg_am',
  CONVERSION: 'pg_conversion',
  TRANSFORM: 'pg_transform',
  OPERATOR: 'pg_operator',
  OPERATOR_FAMILY: 'pg_opfamily',
  OPERATOR_CLASS: 'pg_opclass',
  CAST: 'pg_cast',
  TEXT_SEARCH_PARSER: 'pg_ts_parser',
  TEXT_SEARCH_TEMPLATE: 'pg_ts_template',
  TEXT_SEARCH_DICTIONARY: 'pg_ts_dict',
  TEXT_SEARCH_CONFIGURATION: 'pg_ts_config',
} as const satisfies Record<string, keyof typeof catalogs>;

/** `app.= (app.number, app.number)` of `app.=(app.number,app.number)`. */
const spaced = (operator: string): string =>
  operator.replace(/\((.*)\)$/s, (_, types: string) => ` (${types.replaceAll(',', ', ')})`).replace('(none,', '(NONE,');

/** @param quoted names as the server quotes them */
export function dumped(
  snapshot: CatalogSnapshot,
  entries: readonly DumpEntry[],
  quoted: ReadonlyMap<string, string>,
): Dumped {
  const id = (name: string) => quoted.get(name) ?? name;
  const named = ({ schema, name }: QualifiedName) => `${id(schema)}.${id(name)}`;
  const text = (value: string) => `'${value.replaceAll("'", "''")}'`;
  const objects = new Map<string, readonly string[]>();
  const statements: string[] = [];
  const add = (catalog: keyof typeof catalogs, object: { id: string }, ...parts: (string | null)[]) =>
    objects.set(
      `${catalogs[catalog]} ${object.id}`,
      parts.filter((part) => part !== null),
    );
  const remark = (target: string, comment: string | null) => {
    if (comment !== null) statements.push(`COMMENT ON ${target} IS ${text(comment)};`);
  };
  const listed = new Set(entries.map(({ kind, schema, name }) => `${kind} ${schema} ${name}`));
  /** As the list prints names. */
  const flat = (name: string) => name.replaceAll(/[\r\n]/g, ' ');

  const apart = (relation: SnapshotRelation, constraint: string | null) =>
    `CHECK CONSTRAINT ${relation.schema} ${flat(relation.name)} ${flat(constraint ?? '')}`;
  /** `name=value` as it stands between parentheses, of relations or in the words of foreign data. */
  const setting = (option: string, between: string) => {
    const [, name = '', value = ''] = option.match(/^([^=]*)=([\s\S]*)$/) ?? [];
    if (name === 'check_option') return `WITH ${value.toUpperCase()} CHECK OPTION`;
    const plain = between === '=' && quoted.get(value) === value;
    return `${name.split('.').map(id).join('.')}${between}${plain ? value : text(value)}`;
  };
  const settingsOf = (relation: SnapshotRelation): string[] => [
    ...relation.options.map((option) => setting(option, '=')),
    ...(relation.foreign?.options ?? []).map((option) => `\n    ${setting(option, ' ')}`),
    ...relation.columns.flatMap((column) => [
      ...(column.statisticsTarget === null
        ? []
        : [`COLUMN ${id(column.name)} SET STATISTICS ${column.statisticsTarget};`]),
      ...(column.storage === null ? [] : [`COLUMN ${id(column.name)} SET STORAGE ${column.storage};`]),
      ...(column.compression === null ? [] : [`COLUMN ${id(column.name)} SET COMPRESSION ${column.compression};`]),
      ...column.options.map((option) => option),
      ...column.foreignOptions.map((option) => `\n    ${setting(option, ' ')}`),
    ]),
  ];
  const marks = (relation: SnapshotRelation, index: SnapshotIndex | undefined): string[] => [
    ...(index?.clustered ? [`ALTER TABLE ${named(relation)} CLUSTER ON ${id(index.name)};`] : []),
    ...(index?.replicaIdentity ? [`REPLICA IDENTITY USING INDEX ${id(index.name)};`] : []),
  ];

  for (const schema of snapshot.schemas) {
    if (schema.name !== 'public') add('pg_namespace', schema, `CREATE SCHEMA ${id(schema.name)};`);
    if (schema.name !== 'public') remark(`SCHEMA ${id(schema.name)}`, schema.comment);
  }
  for (const extension of snapshot.extensions) {
    if (extension.name === 'plpgsql') continue;
    add('pg_extension', extension, `${id(extension.name)} WITH SCHEMA ${id(extension.schema ?? '')};`);
    remark(`EXTENSION ${id(extension.name)}`, extension.comment);
  }

  const columnOf = (relation: SnapshotRelation, column: SnapshotColumn): string | null => {
    const apart = listed.has(`DEFAULT ${relation.schema} ${flat(relation.name)} ${flat(column.name)}`);
    if (apart) {
      statements.push(`${named(relation)} ALTER COLUMN ${id(column.name)} SET DEFAULT ${column.default ?? 'NULL'};`);
    }
    const partition = relation.partitionBound !== null;
    if (!column.local && !partition) return null;
    const rest = [
      column.generated !== null ? ` GENERATED ALWAYS AS (${column.generated}) STORED` : null,
      column.default !== null && !apart ? ` DEFAULT ${column.default}` : null,
      column.notNull && (!column.inherited || partition) ? ' NOT NULL' : null,
      column.collation !== null && relation.ofType === null
        ? ` COLLATE ${named({ schema: column.collationSchema ?? '', name: column.collation })}`
        : null,
    ].join('');
    if (relation.ofType !== null) return rest === '' ? null : `\n    ${id(column.name)}${rest}`;
    return `\n    ${id(column.name)} ${column.dataType}${rest}`;
  };

  for (const relation of snapshot.relations) {
    const name = named(relation);
    const view = relation.kind === 'VIEW' || relation.kind === 'MATERIALIZED_VIEW';
    if (view) {
      const body = ` AS\n${relation.definition ?? ''}`;
      const own = entries.find(
        (entry) =>
          entry.kind === 'RULE' && entry.schema === relation.schema && entry.name === `${flat(relation.name)} _RETURN`,
      );
      if (own?.id) objects.set(own.id, [name, body, ...settingsOf(relation)]);
      const word = relation.kind === 'VIEW' ? 'VIEW' : 'MATERIALIZED VIEW';
      add('pg_class', relation, `CREATE ${word} ${name}`, ...(own ? [] : [body, ...settingsOf(relation)]));
      for (const column of relation.columns) {
        if (column.default !== null)
          statements.push(`ALTER TABLE ONLY ${name} ALTER COLUMN ${id(column.name)} SET DEFAULT ${column.default};`);
      }
      remark(`${word} ${name}`, relation.comment);
    } else {
      const word = relation.kind === 'FOREIGN_TABLE' ? 'FOREIGN TABLE' : relation.unlogged ? 'UNLOGGED TABLE' : 'TABLE';
      const inherits = relation.parents.length > 0 && relation.partitionBound === null;
      add(
        'pg_class',
        relation,
        `CREATE ${word} ${name}`,
        ...relation.columns.map((column) => columnOf(relation, column)),
        ...relation.constraints
          .filter(
            ({ kind, local, name, validated }) =>
              kind === 'CHECK' && local && validated && !listed.has(apart(relation, name)),
          )
          .map((constraint) => `CONSTRAINT ${id(constraint.name ?? '')} ${constraint.definition}`),
        inherits ? `\nINHERITS (${relation.parents.map(named).join(', ')})` : null,
        relation.ofType === null ? null : `CREATE ${word} ${name} OF ${named(relation.ofType)}`,
        relation.partitionKey === null ? null : `\nPARTITION BY ${relation.partitionKey}`,
        relation.foreign === null ? null : `\nSERVER ${id(relation.foreign.server)}`,
        ...settingsOf(relation),
        relation.forceRowSecurity ? `ALTER TABLE ONLY ${name} FORCE ROW LEVEL SECURITY;` : null,
        relation.replicaIdentity === 'FULL' ? `ALTER TABLE ONLY ${name} REPLICA IDENTITY FULL;` : null,
        relation.replicaIdentity === 'NOTHING' ? `ALTER TABLE ONLY ${name} REPLICA IDENTITY NOTHING;` : null,
      );
      if (relation.partitionBound !== null) {
        statements.push(
          `ALTER TABLE ONLY ${named(relation.parents[0]!)} ATTACH PARTITION ${name} ${relation.partitionBound};`,
        );
      }
      if (relation.rowSecurity) statements.push(`ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY;`);
      remark(`${relation.kind === 'FOREIGN_TABLE' ? 'FOREIGN TABLE' : 'TABLE'} ${name}`, relation.comment);
    }
    for (const column of relation.columns) remark(`COLUMN ${name}.${id(column.name)}`, column.comment);
    for (const constraint of relation.constraints) {
      const index = relation.indexes.find((one) => one.constraint === constraint.name);
      // What a table's own statement holds, and copies of a parent's, are no entries.
      const key = constraint.kind !== 'CHECK' && constraint.kind !== 'NOT_NULL';
      const copy = relation.foreignKeys.some(({ id, inherited }) => id === constraint.id && inherited);
      if ((key && !copy) || listed.has(apart(relation, constraint.name))) {
        const definition = `\n    ADD CONSTRAINT ${id(constraint.name ?? '')} ${constraint.definition}`;
        add(
          'pg_constraint',
          constraint,
          definition,
          index?.definition?.match(/ WITH \(.*?\)/)?.[0] ?? null,
          ...marks(relation, index),
        );
      }
      remark(`CONSTRAINT ${id(constraint.name ?? '')} ON ${name}`, constraint.comment);
    }
    for (const index of relation.indexes) {
      const qualified = named({ schema: relation.schema, name: index.name });
      if (index.constraint === null) add('pg_class', index, `${index.definition};`, ...marks(relation, index));
      if (index.parent !== null) statements.push(`ALTER INDEX ${named(index.parent)} ATTACH PARTITION ${qualified};`);
      remark(`INDEX ${qualified}`, index.comment);
    }
    for (const trigger of relation.triggers) {
      const state = { ORIGIN: null, ALWAYS: 'ENABLE ALWAYS', REPLICA: 'ENABLE REPLICA', DISABLED: 'DISABLE' }[
        trigger.fires
      ];
      const says = state && `${state} TRIGGER ${id(trigger.name)};`;
      if (!trigger.inherited) add('pg_trigger', trigger, `${trigger.definition};`, says);
      else if (says) statements.push(says);
      remark(`TRIGGER ${id(trigger.name)} ON ${name}`, trigger.comment);
    }
    for (const policy of relation.policies) {
      const { command, roles, using, check } = policy;
      const said = [
        policy.permissive ? '' : ' AS RESTRICTIVE',
        command === 'ALL' ? '' : ` FOR ${command}`,
        roles.length === 1 && roles[0] === 'public' ? '' : ` TO ${roles.map(id).join(', ')}`,
        using === null ? '' : ` USING (${using})`,
        check === null ? '' : ` WITH CHECK (${check})`,
      ].join('');
      add('pg_policy', policy, `CREATE POLICY ${id(policy.name)} ON ${name}${said};`);
      remark(`POLICY ${id(policy.name)} ON ${name}`, policy.comment);
    }
    for (const rule of relation.rules) {
      const state = { ORIGIN: null, ALWAYS: 'ENABLE ALWAYS', REPLICA: 'ENABLE REPLICA', DISABLED: 'DISABLE' }[
        rule.fires
      ];
      add('pg_rewrite', rule, rule.definition, state && `${state} RULE ${id(rule.name)};`);
      remark(`RULE ${id(rule.name)} ON ${name}`, rule.comment);
    }
    for (const statistics of relation.statistics) {
      const target = statistics.target === null ? null : `SET STATISTICS ${statistics.target};`;
      add('pg_statistic_ext', statistics, `${statistics.definition};`, target);
      remark(`STATISTICS ${named(statistics)}`, statistics.comment);
    }
  }

  for (const sequence of snapshot.sequences) {
    const limits: Record<string, [string, string]> = {
      smallint: ['-32768', '32767'],
      integer: ['-2147483648', '2147483647'],
      bigint: ['-9223372036854775808', '9223372036854775807'],
    };
    const rising = !sequence.increment.startsWith('-');
    const [least, most] = limits[sequence.dataType]!;
    const [minimum, maximum] = rising ? ['1', most] : [least, '-1'];
    add(
      'pg_class',
      sequence,
      sequence.identity ? `SEQUENCE NAME ${named(sequence)}\n` : `SEQUENCE ${named(sequence)}\n`,
      sequence.dataType === 'bigint' || sequence.identity ? null : `\n    AS ${sequence.dataType}\n`,
      `\n    START WITH ${sequence.start}\n    INCREMENT BY ${sequence.increment}\n    ${
        sequence.minimum === minimum ? 'NO MINVALUE' : `MINVALUE ${sequence.minimum}`
      }\n    ${sequence.maximum === maximum ? 'NO MAXVALUE' : `MAXVALUE ${sequence.maximum}`}\n    CACHE ${sequence.cache}${
        sequence.cycle ? '\n    CYCLE' : ''
      }${sequence.identity ? '\n)' : ''};`,
      sequence.unlogged ? 'CREATE UNLOGGED SEQUENCE' : null,
    );
    if (sequence.ownedBy && !sequence.identity) {
      const { table, column } = sequence.ownedBy;
      statements.push(`ALTER SEQUENCE ${named(sequence)} OWNED BY ${named(table)}.${id(column)};`);
    }
    remark(`SEQUENCE ${named(sequence)}`, sequence.comment);
  }

  for (const type of snapshot.enums) {
    const values = type.values.map((value) => `\n    ${text(value)}`).join(',');
    add('pg_type', type, `CREATE TYPE ${named(type)} AS ENUM (${values}\n);`);
    remark(`TYPE ${named(type)}`, type.comment);
  }
  for (const domain of snapshot.domains) {
    add(
      'pg_type',
      domain,
      `CREATE DOMAIN ${named(domain)} AS ${domain.baseType}`,
      domain.collation && ` COLLATE ${named(domain.collation)}`,
      domain.notNull ? ' NOT NULL' : null,
      domain.default && ` DEFAULT ${domain.default}`,
      ...domain.constraints
        .filter(({ kind, validated }) => kind === 'CHECK' && validated)
        .map(({ name, definition }) => `\n\tCONSTRAINT ${id(name)} ${definition}`),
    );
    for (const constraint of domain.constraints) {
      if (!constraint.validated)
        add('pg_constraint', constraint, `\n    ADD CONSTRAINT ${id(constraint.name)} ${constraint.definition};`);
      remark(`CONSTRAINT ${id(constraint.name)} ON DOMAIN ${named(domain)}`, constraint.comment);
    }
    remark(`DOMAIN ${named(domain)}`, domain.comment);
  }
  for (const type of snapshot.compositeTypes) {
    const attributes = type.attributes.map(
      ({ name, dataType, collation }) =>
        `\n\t${id(name)} ${dataType}${collation ? ` COLLATE ${named(collation)}` : ''}`,
    );
    add('pg_type', type, `CREATE TYPE ${named(type)} AS (${attributes.join(',')}\n);`);
    for (const attribute of type.attributes) remark(`COLUMN ${named(type)}.${id(attribute.name)}`, attribute.comment);
    remark(`TYPE ${named(type)}`, type.comment);
  }
  for (const type of snapshot.rangeTypes) {
    add(
      'pg_type',
      type,
      `CREATE TYPE ${named(type)} AS RANGE (\n    subtype = ${type.subtype}`,
      type.multirange && `multirange_type_name = ${named(type.multirange)}`,
      type.collation && `collation = ${named(type.collation)}`,
      type.canonical && `canonical = ${type.canonical}`,
      type.difference && `subtype_diff = ${type.difference}`,
    );
    remark(`TYPE ${named(type)}`, type.comment);
  }

  // What constructs a range comes with its type.
  const constructors = new Set(
    snapshot.rangeTypes.flatMap(({ schema, name, multirange }) => [
      named({ schema, name }),
      multirange && named(multirange),
    ]),
  );
  for (const routine of snapshot.routines) {
    if (constructors.has(named(routine))) continue;
    const word = routine.kind === 'AGGREGATE' ? 'AGGREGATE' : routine.kind === 'PROCEDURE' ? 'PROCEDURE' : 'FUNCTION';
    const body = routine.definition?.match(/\nAS \$(\w*)\$([\s\S]*)\$\1\$\n?$/)?.[2];
    const { aggregate } = routine;
    add(
      'pg_proc',
      routine,
      `CREATE ${word} ${named(routine)}(`,
      ...routine.arguments.flatMap(({ name, dataType, default: fallback }) => [
        name === null || aggregate ? null : `${id(name)} ${dataType}`,
        fallback === null ? null : `${dataType} DEFAULT ${fallback}`,
      ]),
      routine.returns === null || aggregate || /^TABLE\b/.test(routine.returns)
        ? null
        : ` RETURNS ${routine.returns}\n`,
      aggregate ? null : `\n    LANGUAGE ${id(routine.language)}`,
      routine.volatility === null || routine.volatility === 'VOLATILE' || aggregate ? null : ` ${routine.volatility}`,
      routine.securityDefiner ? ' SECURITY DEFINER' : null,
      body === undefined ? null : body,
      aggregate && `\n    SFUNC = ${aggregate.transition}`,
      aggregate && `\n    STYPE = ${aggregate.stateType}`,
      aggregate && aggregate.initialState !== null ? `\n    INITCOND = ${text(aggregate.initialState)}` : null,
      aggregate?.final ? `\n    FINALFUNC = ${aggregate.final}` : null,
      aggregate?.combine ? `\n    COMBINEFUNC = ${aggregate.combine}` : null,
      aggregate?.moving ? `\n    MSFUNC = ${aggregate.moving.transition}` : null,
    );
    if (routine.comment !== null) statements.push(` IS ${text(routine.comment)};`);
  }

  for (const trigger of snapshot.eventTriggers) {
    const { schema, name } = trigger.function;
    const state = { ORIGIN: null, ALWAYS: 'ENABLE ALWAYS', REPLICA: 'ENABLE REPLICA', DISABLED: 'DISABLE' }[
      trigger.fires
    ];
    add(
      'pg_event_trigger',
      trigger,
      `CREATE EVENT TRIGGER ${id(trigger.name)} ON ${trigger.event}\n`,
      ...trigger.tags.map(text),
      `EXECUTE FUNCTION ${named({ schema, name })}();`,
      state && `ALTER EVENT TRIGGER ${id(trigger.name)} ${state};`,
    );
    remark(`EVENT TRIGGER ${id(trigger.name)}`, trigger.comment);
  }
  for (const publication of snapshot.publications) {
    const { name, tables, schemas, operations, viaPartitionRoot } = publication;
    add(
      'pg_publication',
      publication,
      `CREATE PUBLICATION ${id(name)}${publication.allTables ? ' FOR ALL TABLES' : ''} WITH (publish = '${operations.join(', ').toLowerCase()}'${
        viaPartitionRoot ? ', publish_via_partition_root = true' : ''
      });`,
    );
    for (const { table, columns, where } of tables) {
      const only = `${columns ? ` (${columns.map(id).join(', ')})` : ''}${where === null ? '' : ` WHERE (${where})`}`;
      statements.push(`ALTER PUBLICATION ${id(name)} ADD TABLE ONLY ${named(table)}${only};`);
    }
    for (const schema of schemas) statements.push(`ALTER PUBLICATION ${id(name)} ADD TABLES IN SCHEMA ${id(schema)};`);
    remark(`PUBLICATION ${id(name)}`, publication.comment);
  }
  for (const wrapper of snapshot.foreignDataWrappers) {
    add('pg_foreign_data_wrapper', wrapper, `CREATE FOREIGN DATA WRAPPER ${id(wrapper.name)}`);
    remark(`FOREIGN DATA WRAPPER ${id(wrapper.name)}`, wrapper.comment);
  }
  for (const server of snapshot.foreignServers) {
    add(
      'pg_foreign_server',
      server,
      `CREATE SERVER ${id(server.name)}`,
      server.type && ` TYPE ${text(server.type)}`,
      server.version && ` VERSION ${text(server.version)}`,
      ` FOREIGN DATA WRAPPER ${id(server.wrapper)}`,
    );
    remark(`SERVER ${id(server.name)}`, server.comment);
  }
  for (const other of snapshot.others) {
    if (other.kind === 'EXTENSION_DEPENDENCY') continue;
    const identity = other.kind === 'OPERATOR' ? spaced(other.identity) : other.identity;
    add(catalogOf[other.kind], other, ...(other.kind === 'OPERATOR' || other.kind === 'CAST' ? [] : [id(other.name)]));
    remark(`${other.kind.replaceAll('_', ' ')} ${identity}`, other.comment);
  }
  return { objects, statements };
}
