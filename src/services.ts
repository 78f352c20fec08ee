/** The features as the graph and the routes see them; app.ts builds them. */
import type { Prisma } from './db/metadata.ts';

/** What the configuration decides and clients may know. */
export interface ServerSettings {
  readonly registration: 'open' | 'closed';
  /** The ceiling of every user's parallel jobs, unless an administrator set one for him. */
  readonly maxParallelJobs: number;
}

export interface Services {
  readonly startedAt: Date;
  readonly settings: ServerSettings;
  readonly prisma: Prisma;
  readonly accounts: Accounts;
}
