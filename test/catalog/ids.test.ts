import { expect, test } from 'vitest';
import {
  columnId,
  enumTypeId,
  foreignKeyId,
  functionId,
  indexId,
  readFunctionId,
  readPartId,
  readQualifiedId,
  readSchemaId,
  schemaId,
  tableId,
} from '../../src/catalog/ids.ts';
import { decodeId, uuidv7 } from '../../src/lib/ids.ts';

const databaseId = uuidv7();
const texts = [
  'plain',
  '',
  ' ',
  'a"b',
  'a.b',
  '","',
  'ü 😀',
  'line\nbreak',
  '\0',
  '__proto__',
  '[]',
  '\u{10ffff}',
  '\ud800',
  'x'.repeat(63),
  '😀'.repeat(15),
];

test('any names come back as they were', () => {
  for (const schema of texts) {
    expect(decodeId(schemaId(databaseId, schema))).toMatchObject({ kind: 'Schema' });
    expect(readSchemaId(decodeId(schemaId(databaseId, schema))!.parts)).toEqual({ databaseId, name: schema });
    for (const name of texts) {
      for (const id of [tableId(databaseId, { schema, name }), enumTypeId(databaseId, { schema, name })]) {
        expect(readQualifiedId(decodeId(id)!.parts)).toEqual({ databaseId, name: { schema, name } });
      }
      const part = { table: { schema, name }, name: schema };
      for (const id of [columnId(databaseId, part), indexId(databaseId, part), foreignKeyId(databaseId, part)]) {
        expect(readPartId(decodeId(id)!.parts)).toEqual({ databaseId, name: part });
      }
      const fn = { schema, name, identity: name };
      expect(readFunctionId(decodeId(functionId(databaseId, fn))!.parts)).toEqual({ databaseId, name: fn });
    }
  }
});

test('different objects have different ids', () => {
  const ids = texts.flatMap((schema) =>
    texts.flatMap((name) => [
      tableId(databaseId, { schema, name }),
      enumTypeId(databaseId, { schema, name }),
      columnId(databaseId, { table: { schema, name: 't' }, name }),
      indexId(databaseId, { table: { schema, name: 't' }, name }),
      foreignKeyId(databaseId, { table: { schema, name: 't' }, name }),
      functionId(databaseId, { schema, name: 't', identity: name }),
    ]),
  );
  expect(new Set(ids).size).toBe(ids.length);
});

test('parts that no id of ours has are refused', () => {
  expect(readSchemaId([])).toBeNull();
  expect(readSchemaId(['not a uuid', 'shop'])).toBeNull();
  expect(readSchemaId([databaseId])).toBeNull();
  expect(readQualifiedId([databaseId, 'shop'])).toBeNull();
  expect(readQualifiedId([databaseId, 'shop', 'customers', 'more'])).toBeNull();
  expect(readPartId([databaseId, 'shop', 'customers'])).toBeNull();
  expect(readFunctionId([databaseId, 'shop', 'add'])).toBeNull();
});
