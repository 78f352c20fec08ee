/** Plans as PostgreSQL prints them, read without a server. */
import { describe, expect, test } from 'vitest';
import {
  calledFunctions,
  crossJoins,
  estimateOf,
  filteredScans,
  nodesOf,
  parsePlan,
  withMeasures,
} from '../../../src/engines/postgresql/plan.ts';

const scan = (alias: string, more: object = {}) => ({
  'Node Type': 'Seq Scan',
  'Relation Name': alias,
  Schema: 'public',
  Alias: alias,
  'Plan Rows': 10,
  ...more,
});
const loop = (outer: object, inner: object, more: object = {}) => ({
  'Node Type': 'Nested Loop',
  'Join Type': 'Inner',
  'Plan Rows': 100,
  Plans: [
    { ...outer, 'Parent Relationship': 'Outer' },
    { ...inner, 'Parent Relationship': 'Inner' },
  ],
  ...more,
});
const planOf = (node: object) => [{ Plan: node }];

describe('a number in a plan', () => {
  test.each([
    ['7', 7],
    ['-1', -1],
    ['0.00', 0],
    ['12.50', 12.5],
    ['9007199254740991', 9007199254740991],
    ['9007199254740993', '9007199254740993'],
    ['100000000000000000000', '100000000000000000000'],
    ['100000000000000.25', '100000000000000.25'],
    ['1e400', '1e400'],
    ['123456789012.34', 123456789012.34],
  ])('%s is exact', (source, value) => {
    expect(parsePlan(`[{"Plan": {"Total Cost": ${source}, "Text": "9007199254740993"}}]`)).toEqual([
      { Plan: { 'Total Cost': value, Text: '9007199254740993' } },
    ]);
  });

  test('is an estimate as long as it can be told', () => {
    expect(estimateOf(nodesOf(parsePlan('[{"Plan": {"Total Cost": 1.5, "Plan Rows": 7}}]')))).toEqual({
      cost: 1.5,
      rows: 7,
    });
    const large = '[{"Plan": {"Total Cost": 100000000000000000000.00, "Plan Rows": 9007199254740993}}]';
    expect(estimateOf(nodesOf(parsePlan(large)))).toEqual({ cost: 1e20, rows: null });
    expect(estimateOf(nodesOf(parsePlan('["Utility Statement"]')))).toEqual({ cost: null, rows: null });
    expect(estimateOf(nodesOf([]))).toEqual({ cost: null, rows: null });
  });
});

test('the steps of a plan come in the order of its text', () => {
  const plan = [
    ...planOf({ id: 1, Plans: [{ id: 2, Plans: [{ id: 3 }] }, { id: 4 }] }),
    'Utility Statement',
    ...planOf({ id: 5 }),
  ];
  expect(nodesOf(plan).map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
});

test('a plan that is nested without end is refused', () => {
  let node: object = {};
  for (let i = 0; i < 20_000; i++) node = { Plans: [node] };
  expect(() => nodesOf(planOf(node))).toThrow('deeper');
});

describe('a join of everything with everything', () => {
  const joins = (node: object) => crossJoins(nodesOf(planOf(node)));

  test('is found, also below a step that keeps rows', () => {
    const kept = { 'Node Type': 'Materialize', 'Plan Rows': 10, Plans: [scan('b')] };
    expect(joins(loop(scan('a'), kept))).toEqual([{ left: ['a'], right: ['b'] }]);
    expect(joins(loop(scan('a'), scan('b'), { 'Join Type': 'Left' }))).toHaveLength(1);
  });

  test.each<[string, object]>([
    ['a join with a condition', loop(scan('a'), scan('b'), { 'Join Filter': '(a.x < b.y)' })],
    ['one that looks up by what the left side has', loop(scan('a'), scan('b', { 'Index Cond': '(b.id = a.id)' }))],
    ['one whose name has to be quoted', loop(scan('A b'), scan('c', { 'Index Cond': '(c.id = "A b".id)' }))],
    ['one that calls a function for each row', loop(scan('a'), scan('f', { 'Function Call': 'g(1, a.x)' }))],
    ['one with a single row', loop(scan('a', { 'Plan Rows': 1 }), scan('b'))],
    ['a test for existence', loop(scan('a'), scan('b'), { 'Join Type': 'Semi' })],
    ['another join', { ...loop(scan('a'), scan('b')), 'Node Type': 'Hash Join' }],
  ])('is not %s', (_, node) => {
    expect(joins(node)).toEqual([]);
  });

  test('is not taken for one with a condition by a name that only ends alike', () => {
    expect(joins(loop(scan('a'), scan('b', { Filter: '(ba.x = 1)' })))).toHaveLength(1);
  });
});

test('a scan with a filter counts the rows of all its workers', () => {
  const parallel = scan('t', { 'Parallel Aware': true, Filter: '(x = 1)' });
  const gather = { 'Node Type': 'Gather', 'Workers Planned': 2, Plans: [parallel] };
  expect(filteredScans(planOf(gather))).toEqual([{ schema: 'public', name: 't', filter: '(x = 1)', rows: 30 }]);
  expect(filteredScans(planOf(scan('t')))).toEqual([]);
});

test('functions are found in the texts of a plan, and not in its literals', () => {
  const node = {
    Output: [`f(a.x)`, `my.g('h(1)', "Odd Schema"."Odd ""Name"""(2))`, `(count(*) OVER w1)`],
    Filter: `(x = ANY ('{k(1)}'::text[]))`,
    'Index Cond': '(b.id = 3)',
  };
  expect(calledFunctions(nodesOf(planOf(node)))).toEqual([
    { schema: null, name: 'f' },
    { schema: 'my', name: 'g' },
    { schema: 'Odd Schema', name: 'Odd "Name"' },
    { schema: null, name: 'count' },
  ]);
});

describe('what a run measured', () => {
  const measures = { 'Actual Startup Time': 0.1, 'Actual Total Time': 2.5, 'Actual Rows': 3, 'Actual Loops': 1 };
  const plan = [{ Plan: { ...measures, Plans: [{ 'Actual Loops': 0 }] }, 'Planning Time': 0.2, 'Execution Time': 2.6 }];
  const lines = ['Limit  (cost=0.00..1.00 rows=1 width=4)', '  ->  Result  (cost=0.00..1.00 rows=9 width=4)'];

  test('stands behind the step that it is of', () => {
    expect(withMeasures(lines, plan)).toEqual([
      'Limit  (cost=0.00..1.00 rows=1 width=4) (actual time=0.1..2.5 rows=3 loops=1)',
      '  ->  Result  (cost=0.00..1.00 rows=9 width=4) (never executed)',
      'Planning Time: 0.2 ms',
      'Execution Time: 2.6 ms',
    ]);
  });

  test('is left out where the text imitates a step', () => {
    const imitated = [...lines, `        Filter: ('x' = '(cost=0.00..1.00 rows=1 width=4)`];
    imitated.push('  (cost=0.00..1.00 rows=1 width=4)');
    expect(withMeasures(imitated, plan).slice(0, 2)).toEqual(lines);
  });
});
