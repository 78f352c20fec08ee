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
    Database: 'defaultSchema enums extensions functions id name schema schemas table tables',
    Schema: 'comment database enums functions id name owner sequences tables',
    Table:
      'column columns comment constraints database ddl definition forceRowSecurity foreignKeys foreignServer id indexes kind name owner parents partitionBound partitionKey partitions policies primaryKey referencedBy rowSecurity rules schema triggers',
    Column:
      'collation comment dataType default enumValues generated id identity indexed name nullable position primaryKey referencedBy references table unique',
    Constraint: 'columns comment deferrable definition kind name validated',
    EnumType: 'comment id name schema values',
    Extension: 'comment name schema version',
    ForeignKey:
      'columns id name onDelete onUpdate referencedColumns referencedSchema referencedTable referencedTableName table',
    Function: 'arguments comment definition id kind language name returns schema securityDefiner volatility',
    FunctionArgument: 'dataType default mode name',
    FunctionConnection: page,
    FunctionEdge: edge,
    Index: 'columns comment definition id method name predicate primary table unique valid',
    PageInfo: 'endCursor hasNextPage hasPreviousPage startCursor',
    Policy: 'check command comment name permissive roles using',
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
