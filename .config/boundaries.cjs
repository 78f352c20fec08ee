/** Who may import whom: main → app → server → graph → *.graph.ts → features → engines, jobs → db → lib, never back. */
const features = 'accounts|audit|catalog|databases|exports|mail|projects|queries|realtime|rows|storage';
const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });
module.exports = {
  forbidden: [
    rule(
      'no-cycles',
      'A cycle has no first module to understand.',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    ),
    rule(
      'lib-knows-nothing',
      'lib is nothing of the domain.',
      { path: '^src/lib/' },
      { path: '^src/', pathNot: '^src/lib/' },
    ),
    rule(
      'db-knows-lib-only',
      'db stands on lib alone.',
      { path: '^src/db/' },
      { path: '^src/', pathNot: '^src/(lib|db)/' },
    ),
    rule(
      'engines-know-lib-only',
      'Engines know no feature and no metadata.',
      { path: '^src/engines/' },
      { path: '^src/', pathNot: '^src/(lib|engines)/' },
    ),
    rule(
      'jobs-below-features',
      'The queue knows no feature; jobs/tasks.ts only lists what features register.',
      { path: '^src/jobs/', pathNot: '(\\.graph|/tasks)\\.ts$' },
      { path: `^src/(${features}|graph)/`, pathNot: '^src/accounts/(viewer|policy)\\.ts$' },
    ),
    rule(
      'exports-below-queries',
      'How rows become files knows nothing of what runs SQL, or keeps its rows.',
      { path: '^src/exports/' },
      { path: '^src/queries/' },
    ),
    rule(
      'features-below-graph',
      'A feature never imports its GraphQL.',
      { path: `^src/(${features}|jobs)/`, pathNot: '\\.graph\\.ts$' },
      { path: '(\\.graph\\.ts$|^src/graph/)' },
    ),
    rule(
      'graph-files-are-leaves',
      'Only the registration imports a *.graph.ts, and one *.graph.ts another for its types.',
      { path: '^src/', pathNot: '(\\.graph\\.ts$|^src/graph/schema\\.ts$)' },
      { path: '\\.graph\\.ts$' },
    ),
    rule(
      'nothing-imports-the-top',
      'main, app and server are at the top.',
      { path: '^src/', pathNot: '^src/(main|app|compose|server|worker)\\.ts$' },
      { path: '^src/(main|app|compose|server|worker)\\.ts$' },
    ),
    rule(
      'registry-knows-engines',
      "Only the registry knows an engine's files.",
      { path: '^src/', pathNot: '^src/engines/' },
      {
        path: '^src/engines/(?!registry\\.ts|openers\\.ts|engine\\.ts|catalog\\.ts|changes\\.ts|snapshot\\.ts|sessions\\.ts|export-type\\.ts|live\\.ts|raw-text\\.ts|row-access\\.ts|copy-text\\.ts)',
      },
    ),
    rule(
      'registry-knows-storage-drivers',
      'Only the registry knows where blobs are.',
      { path: '^src/', pathNot: '^src/storage/' },
      { path: '^src/storage/(disk|s3)' },
    ),
    rule(
      'prisma-in-stores',
      'Only db and store.ts touch Prisma.',
      { path: '^src/', pathNot: '(^src/db/|/store\\.ts$|^src/graph/builder\\.ts$)' },
      { path: '(@prisma/|^src/db/generated/prisma/)' },
    ),
    rule('no-tests-in-src', 'The product does not import its tests.', { path: '^src/' }, { path: '^(test|bench)/' }),
    rule('resolvable', 'An import leads somewhere.', {}, { couldNotResolve: true }),
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'types', 'default'] },
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
  },
};
