/**
 * What of the graph may be in an answer that is kept, field by field. A field is one that the snapshot of its database
 * and the viewer's own row of that decide alone: before one is added here, see what else its answer is made of.
 */
import { type GraphQLObjectType, getNamedType, isObjectType } from 'graphql';
import { expect, test } from 'vitest';
import { type Answers, answersOf } from '../../src/graph/answers.ts';
import { createSchema } from '../../src/graph/schema.ts';

/** As plans go: from the query on, and no further than what declares itself. */
function reached(answers: Answers): Record<string, string> {
  const seen = new Map<string, string[]>();
  const walk = (type: GraphQLObjectType): void => {
    if (seen.has(type.name)) return;
    const fields = Object.values(type.getFields()).filter((field) => answersOf(type, field) !== null);
    seen.set(
      type.name,
      fields.filter((field) => answersOf(type, field) === answers).map(({ name }) => name),
    );
    for (const { type: of } of fields) {
      const named = getNamedType(of);
      if (isObjectType(named)) walk(named);
    }
  };
  walk(createSchema().getQueryType()!);
  return Object.fromEntries(
    [...seen].flatMap(([name, fields]) => (fields.length === 0 ? [] : [[name, fields.sort().join(' ')]])),
  );
}

const page = 'edges nodes pageInfo totalCount';
const edge = 'cursor node';

test('these fields are kept', () => {
  expect(reached('kept')).toEqual({
    Query: 'database',
    Database:
      'compositeTypes defaultSchema domains enums eventTriggers extensions foreignDataWrappers foreignServers functions id name otherObjects publications rangeTypes schema schemas table tables',
    Schema: 'comment compositeTypes database domains enums functions id name owner rangeTypes sequences tables',
    Table:
      'accessMethod children column columns comment constraints database ddl definition extendedStatistics forceRowSecurity foreignKeys foreignOptions foreignServer id indexes kind name ofType options owner parents partitionBound partitionKey partitions policies primaryKey publications referencedBy replicaIdentity rowSecurity rules schema tablespace triggers unlogged',
    Column:
      'collation comment compression dataType default enumValues foreignOptions generated id identity indexed inherited name nullable options origins position primaryKey referencedBy references statisticsTarget storage table unique',
    CompositeAttribute: 'collation comment dataType name',
    CompositeType: 'attributes comment name owner schema',
    Constraint: 'columns comment deferrable definition kind name validated',
    Domain: 'baseType collation comment constraints default name nullable owner schema',
    DomainConstraint: 'comment definition kind name validated',
    EnumType: 'comment id name schema values',
    EventTrigger: 'comment event fires function name owner tags',
    ExtendedStatistics: 'comment definition name owner schema target',
    Extension: 'comment name schema version',
    ForeignDataWrapper: 'comment handler name options owner validator',
    ForeignKey:
      'columns id name onDelete onUpdate referencedColumns referencedSchema referencedTable referencedTableName table',
    ForeignServer: 'comment name options owner type version wrapper',
    Function: 'arguments comment definition id kind language name returns schema securityDefiner volatility',
    FunctionArgument: 'dataType default mode name',
    FunctionConnection: page,
    FunctionEdge: edge,
    Index:
      'clustered columns comment constraint definition id method name predicate primary replicaIdentity table tablespace unique valid',
    OtherObject: 'comment definition identity kind name schema',
    PageInfo: 'endCursor hasNextPage hasPreviousPage startCursor',
    Policy: 'check command comment name permissive roles using',
    Publication: 'allTables comment generatedColumns name operations owner schemas tables viaPartitionRoot',
    PublishedTable: 'columns table where',
    RangeType: 'canonical collation comment difference multirange name operatorClass owner schema subtype',
    Rule: 'comment definition fires name',
    Sequence: 'cache comment cycle dataType increment maximum minimum name ownedBy owner start',
    TableConnection: page,
    TableEdge: edge,
    Trigger: 'comment definition enabled events fires function level name timing',
  });
});

test('these are read anew each time', () => {
  expect(reached('live')).toEqual({
    Database: 'sizeBytes',
    Table: 'estimatedRows sizeBytes',
    Column: 'statistics',
    ColumnStatistics: 'averageWidthBytes distinctValues mostCommonValues nullFraction',
    Index: 'scans sizeBytes',
    Sequence: 'lastValue',
  });
});
