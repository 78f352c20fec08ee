/** Prints the schema from code into schema.graphql. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { lexicographicSortSchema, printSchema } from 'graphql';
import { createSchema } from '../src/graph/schema.ts';

writeFileSync(
  fileURLToPath(new URL('../schema.graphql', import.meta.url)),
  `${printSchema(lexicographicSortSchema(createSchema()))}\n`,
);
