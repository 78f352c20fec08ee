/** What GraphiQL opens on: the main job, one tab a step. */
import { exampleQueries } from '../databases/templates/makeyourspace/index.ts';
import type { GraphiqlTab } from './graphiql.ts';

const tab = (query: string, variables?: object): GraphiqlTab => ({
  query: `${query.trim()}\n`,
  ...(variables && { variables: JSON.stringify(variables, null, 2) }),
});

const [firstExample] = exampleQueries;

export const graphiqlTabs: readonly GraphiqlTab[] = [
  tab(`
# 1. Make an account; the first one is the administrator.
#    In the Headers pane of the other tabs its token takes the place of {}: { "authorization": "Bearer …" }
mutation Register {
  register(input: { email: "you@example.com", password: "correct horse battery", name: "You" }) {
    auth { accessToken refreshToken user { id role } }
  }
}`),
  tab(`
# 2. The sample database MAKEYOURSPACE is there for everyone who is signed in.
query Databases {
  databases(first: 10) {
    nodes {
      id
      name
      tables(first: 5) {
        totalCount
        nodes { name comment columns { name dataType nullable } foreignKeys { referencedTableName } }
      }
    }
  }
}`),
  tab(
    `
# 3. SQL is a job: submit it, with the id of the database in the Variables pane …
mutation Submit($databaseId: ID!, $sql: String!) {
  submitQuery(input: { target: { databaseId: $databaseId }, sql: $sql }) {
    job { id status }
  }
}`,
    { databaseId: '', sql: firstExample?.sql ?? 'select 1' },
  ),
  tab(
    `
# 4. … watch it over WebSocket …
subscription Watch($id: ID!) {
  jobUpdated(id: $id) { status revision progress { rows bytes } error { code message line } }
}`,
    { id: '' },
  ),
  tab(
    `
# 5. … page through its rows …
query Rows($id: ID!, $after: String) {
  job(id: $id) {
    status
    result(index: 0) { rowCount columns { name dataType } rows(first: 20, after: $after) { rows endCursor hasNextPage } }
  }
}`,
    { id: '' },
  ),
  tab(
    `
# 6. … or write them into a file, here those of the same job …
mutation Export($id: ID!) {
  exportJob(input: { id: $id, export: { format: XLSX, path: "{date}/{job}.xlsx" } }) {
    job { id status }
  }
}`,
    { id: '' },
  ),
  tab(
    `
# 7. … whose link is there when the export has ended.
query File($id: ID!) {
  job(id: $id) { status export { rows sizeBytes truncated file { path sha256 url(download: true) } } error { code message } }
}`,
    { id: '' },
  ),
];
