/**
 * Databases on Quarry's own playground: made, filled, taken away. The row is written first and removed last, as nobody's:
 * whatever a crash leaves on the playground has a row that says so, and is swept.
 */
import type pg from 'pg';
import { connect } from '../db/connection.ts';
import { transaction } from '../db/metadata.ts';
import { type HostedNames, hostedNames, type Playground } from '../db/playground.ts';
import { createGate } from '../lib/gate.ts';
import { uuidv7 } from '../lib/ids.ts';
import type { Log } from '../lib/log.ts';
import { type Credentials, hostedAddress, hostedTarget, playgroundMissing } from './credentials.ts';
import { connectionFailed, type Prober } from './prober.ts';
import type { Database, DatabaseStore, NewDatabase } from './store.ts';
import { installMakeyourspace } from './templates/makeyourspace/index.ts';

export const databaseTemplates = ['empty', 'makeyourspace'] as const;
export type DatabaseTemplate = (typeof databaseTemplates)[number];

export interface NewHosted {
  readonly name: string;
  readonly template: DatabaseTemplate;
  readonly readOnly: boolean;
  /** What the row keeps is the login of a reader: the system's sample has no owner who could change it. */
  readonly access: 'OWNER' | 'READER';
}

export interface Hosting {
  /**
   * Makes a database, and adopts it in one transaction with whatever `adopt` writes.
   * @param adopt gives the row an owner or makes it the system's; when it throws, nothing is left of the database
   * @throws AppError NOT_CONFIGURED
   */
  create(
    wanted: NewHosted,
    adopt: (client: pg.PoolClient, made: NewDatabase) => Promise<NewDatabase>,
    options: { signal: AbortSignal },
  ): Promise<NewDatabase>;
  /** Takes an orphan away; one that resists stays for the next sweep. Never throws. */
  discard(orphan: Pick<Database, 'id' | 'database' | 'user'>): Promise<void>;
  /** Discards what crashed processes left, and what resisted. */
  sweep(): Promise<void>;
}

export interface HostingDeps {
  readonly pool: pg.Pool;
  readonly store: DatabaseStore;
  readonly playground: Playground | null;
  readonly credentials: Credentials;
  readonly prober: Prober;
  readonly log: Log;
}

const createTimeoutMs = 120_000;
/** A copy of the template and its rows load the whole playground. */
const maxConcurrentCreations = 2;
/** Longer than making one may take: what is older has no maker any more. */
const orphanAgeMs = 600_000;

export function createHosting({ pool, store, playground, credentials, prober, log }: HostingDeps): Hosting {
  async function make(
    server: Playground,
    draft: NewDatabase,
    names: HostedNames,
    { template, access }: NewHosted,
    signal: AbortSignal,
  ): Promise<NewDatabase> {
    const { owner } = await server.createDatabase({ names, signal });
    if (template === 'makeyourspace') {
      await using connected = await connect(owner, { signal });
      await installMakeyourspace(connected.client, { signal });
    }
    const login = access === 'OWNER' ? owner : await server.grantReader({ database: names.database, signal });
    const report = await prober.probe('postgresql', () => hostedTarget(login), { signal });
    if (!report.ok) throw connectionFailed(report, hostedAddress);
    const { serverVersion, capabilities } = report;
    const address = { ...hostedAddress, database: names.database, user: login.user };
    return {
      ...draft,
      ...address,
      sealedPassword: credentials.seal(draft.id, address, login.password),
      serverVersion,
      capabilities,
    };
  }

  async function create(
    server: Playground,
    wanted: NewHosted,
    adopt: (client: pg.PoolClient, made: NewDatabase) => Promise<NewDatabase>,
    signal: AbortSignal,
  ): Promise<NewDatabase> {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(createTimeoutMs)]);
    const names = hostedNames();
    const draft = draftOf(wanted, names);
    await store.insert(pool, draft);
    try {
      const made = await make(server, draft, names, wanted, deadline);
      return await transaction(pool, async (client) => {
        const adopted = await adopt(client, made);
        if (await store.replace(client, adopted, draft)) return adopted;
        throw new Error('the row of a database that was being made is gone');
      });
    } catch (error) {
      await hosting.discard(draft);
      throw error;
    }
  }

  const gate = createGate({ max: maxConcurrentCreations });

  const hosting: Hosting = {
    async create(wanted, adopt, { signal }) {
      if (!playground) throw playgroundMissing();
      return await gate.run(() => create(playground, wanted, adopt, signal), signal);
    },

    async discard({ id, database, user }) {
      try {
        await playground?.dropDatabase(database, { owner: user });
        await store.remove(pool, id);
      } catch (error) {
        log.error({ databaseId: id, err: error }, 'database.not_dropped');
      }
    },

    async sweep() {
      // Without the playground they cannot be dropped, and would be forgotten.
      if (!playground) return;
      for (const orphan of await store.orphans(orphanAgeMs)) await hosting.discard(orphan);
    },
  };
  return hosting;
}

const draftOf = ({ name, readOnly }: NewHosted, { database, owner }: HostedNames): NewDatabase => ({
  id: uuidv7(),
  name,
  ownerId: null,
  projectId: null,
  engine: 'postgresql',
  ...hostedAddress,
  database,
  user: owner,
  sslRootCertificate: null,
  allowInsecureAuthentication: false,
  sealedPassword: '',
  readOnly,
  hosted: true,
  system: false,
  serverVersion: null,
  capabilities: [],
});
