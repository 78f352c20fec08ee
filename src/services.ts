/** The features as the graph and the routes see them; app.ts builds them. */
import type { Accounts } from './accounts/accounts.ts';
import type { Administration } from './accounts/administration/administration.ts';
import type { RegistrationMode } from './accounts/admission.ts';
import type { Bearer } from './accounts/bearer.ts';
import type { ApiKeys } from './accounts/keys/api-keys.ts';
import type { SecondFactors } from './accounts/totp/second-factors.ts';
import type { AuditLog } from './audit/audit-log.ts';
import type { CatalogService } from './catalog/catalog.ts';
import type { CatalogChanges } from './catalog/drift/changes.ts';
import type { SearchService } from './catalog/search/search.ts';
import type { Tracking } from './catalog/tracking/tracking.ts';
import type { Activity } from './databases/activity.ts';
import type { Databases } from './databases/databases.ts';
import type { Prisma } from './db/metadata.ts';
import type { Moments } from './db/moments.ts';
import type { Engines } from './engines/registry.ts';
import type { Jobs } from './jobs/jobs.ts';
import type { Access } from './projects/access.ts';
import type { Invitations } from './projects/invitations/invitations.ts';
import type { Projects } from './projects/projects.ts';
import type { Tasks } from './projects/tasks/tasks.ts';
import type { Explain } from './queries/explain.ts';
import type { Exports } from './queries/exports.ts';
import type { JobRows } from './queries/job-rows.ts';
import type { Queries } from './queries/queries.ts';
import type { SavedQueries } from './queries/saved/saved-queries.ts';
import type { Channels } from './realtime/channels/channels.ts';
import type { FeedHealths } from './realtime/feeds/feed-health.ts';
import type { LiveQueries } from './realtime/live/live-queries.ts';
import type { RowChanges } from './realtime/row-changes.ts';
import type { Buckets } from './storage/files/buckets.ts';
import type { Files } from './storage/files/files.ts';
import type { FileRoutes } from './storage/files/routes.ts';
import type { Uploads } from './storage/files/uploads.ts';

/** What the configuration decides and clients may know. */
export interface ServerSettings {
  readonly registration: RegistrationMode;
  /** The ceiling of every user's parallel jobs, unless an administrator set one for him. */
  readonly maxParallelJobs: number;
}

/** A part of an installation that its operator can switch on. */
export interface ServerFeature {
  readonly name: string;
  readonly enabled: boolean;
  /** The variable that decides. */
  readonly setting: string;
}

export interface Services {
  readonly startedAt: Date;
  readonly settings: ServerSettings;
  readonly features: readonly ServerFeature[];
  readonly prisma: Prisma;
  readonly moments: Moments;
  readonly engines: Engines;
  readonly accounts: Accounts;
  readonly auditLog: AuditLog;
  readonly apiKeys: ApiKeys;
  readonly secondFactors: SecondFactors;
  readonly bearer: Bearer;
  readonly administration: Administration;
  readonly databases: Databases;
  readonly activity: Activity;
  readonly catalog: CatalogService;
  readonly catalogChanges: CatalogChanges;
  readonly tracking: Tracking;
  readonly search: SearchService;
  readonly access: Access;
  readonly invitations: Invitations;
  readonly projects: Projects;
  readonly tasks: Tasks;
  readonly jobs: Jobs;
  readonly queries: Queries;
  readonly exports: Exports;
  readonly savedQueries: SavedQueries;
  readonly jobRows: JobRows;
  readonly explain: Explain;
  readonly buckets: Buckets;
  readonly files: Files;
  readonly uploads: Uploads;
  readonly fileRoutes: FileRoutes;
  readonly rowChanges: RowChanges;
  readonly feedHealths: FeedHealths;
  readonly channels: Channels;
  readonly liveQueries: LiveQueries;
}
