/** What a search finds, and a change is about. Where two hits are equally good, the earlier kind comes first. */
export const catalogKinds = [
  'DATABASE',
  'SCHEMA',
  'TABLE',
  'COLUMN',
  'FUNCTION',
  'ENUM',
  'INDEX',
  'CONSTRAINT',
  'FOREIGN_KEY',
  'TRIGGER',
  'POLICY',
  'SEQUENCE',
  'EXTENSION',
  'ROLE',
] as const;
export type CatalogKind = (typeof catalogKinds)[number];
