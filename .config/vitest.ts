import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Pothos and yoga must share one graphql with the tests, else instanceof checks fail between two copies.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    pool: 'forks',
    // One more than two cores have: some tests wait, for a lease or for a process that is being ended.
    maxWorkers: 4,
  },
});
