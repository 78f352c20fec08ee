/** Typed documents for the tests, from the committed schema: `npm run codegen`. */
import type { CodegenConfig } from '@graphql-codegen/cli';

const config: CodegenConfig = {
  schema: 'schema.graphql',
  documents: ['test/**/*.ts', '!test/generated/**'],
  ignoreNoDocuments: true,
  generates: {
    'test/generated/': {
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        documentMode: 'documentNode',
        importExtension: '.ts',
        scalars: { DateTime: 'string', BigInt: 'number', JSON: 'unknown', ID: 'string' },
      },
    },
  },
};
export default config;
