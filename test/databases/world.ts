/** The databases of an installation without its HTTP: real metadata, a real engine, and a playground where one is wanted. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject } from 'vitest';
import type { ProjectRole } from '../../src/accounts/policy.ts';
import type { Viewer } from '../../src/accounts/viewer.ts';
import { type Asked, createDatabases, type DisconnectHook, type LeavingHook } from '../../src/databases/databases.ts';
import { startEmbedded } from '../../src/db/embedded.ts';
import { createPrisma } from '../../src/db/metadata.ts';
import { createPlayground, type Playground } from '../../src/db/playground.ts';
import { createEngines } from '../../src/engines/registry.ts';
import { createEgress } from '../../src/lib/egress.ts';
import { AppError, type ErrorCode } from '../../src/lib/errors.ts';
import { uuidv7 } from '../../src/lib/ids.ts';
import { createKeyring } from '../../src/lib/keyring.ts';
import type { Log } from '../../src/lib/log.ts';
import { Secret } from '../../src/lib/secret.ts';
import { createAccess } from '../../src/projects/access.ts';
import { createTestMetadata, silent } from '../support/metadata.ts';

export const asked = (signal = new AbortController().signal): Asked => ({
  caller: { ipAddress: '192.0.2.1', userAgent: 'test' },
  signal,
});

export interface TestPlayground extends AsyncDisposable {
  readonly playground: Playground;
  readonly stop: () => Promise<void>;
}

export async function startTestPlayground(): Promise<TestPlayground> {
  const dataDir = await mkdtemp(join(tmpdir(), 'quarry-test-'));
  await chmod(dataDir, 0o711);
  const embedded = await startEmbedded({ dataDir, log: silent, clusters: { meta: false, playground: true } });
  return {
    playground: createPlayground({ ...embedded.playground!, log: silent }),
    stop: () => embedded.stop(),
    async [Symbol.asyncDispose]() {
      await embedded.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

export interface WorldOptions {
  playground?: Playground | null;
  allowPrivateHosts?: boolean | readonly string[];
  connectTimeoutMs?: number;
  onDisconnect?: readonly DisconnectHook[];
  onLeaving?: LeavingHook;
  log?: Log;
}

export async function createWorld({
  playground = null,
  onDisconnect = [],
  onLeaving = async () => async () => undefined,
  log = silent,
  ...options
}: WorldOptions = {}) {
  const metadata = await createTestMetadata();
  const { pool } = metadata;
  const prisma = createPrisma(pool);
  const keyring = createKeyring([{ id: 'k1', key: new Secret(randomBytes(32)) }]);
  const projects = createAccess({ pool });
  const open: (() => Promise<void>)[] = [];

  /** One more process on the same metadata. */
  function startReplica({ allowPrivateHosts = ['127.0.0.1/32'], connectTimeoutMs }: WorldOptions = options) {
    const dial = createEgress({ allowPrivateHosts, denied: () => [] });
    const engines = createEngines({ dial, ...(connectTimeoutMs && { limits: { connectTimeoutMs } }) });
    const databases = createDatabases({
      pool,
      prisma,
      engines,
      keyring,
      playground,
      projects,
      onDisconnect,
      onLeaving,
      // Jobs have tests of their own.
      onRightsLost: async () => undefined,
      log,
    });
    open.push(() => databases.stop());
    return { databases, engines };
  }

  return {
    ...startReplica(),
    startReplica,
    metadata,
    pool,
    prisma,
    keyring,
    projects,
    async person(): Promise<Viewer> {
      const userId = await metadata.addUser();
      return { userId, role: 'member', sessionId: uuidv7(), expiresAt: new Date(Date.now() + 600_000) };
    },
    async project(members: Partial<Record<ProjectRole, Viewer>>): Promise<string> {
      const id = uuidv7();
      await pool.query(`INSERT INTO projects (id, name, updated_at) VALUES ($1, 'p', now())`, [id]);
      for (const [role, viewer] of Object.entries(members)) {
        await pool.query(`INSERT INTO project_members (id, project_id, user_id, role) VALUES ($1, $2, $3, $4)`, [
          uuidv7(),
          id,
          viewer.userId,
          role,
        ]);
      }
      return id;
    },
    async rows(sql: string, values: unknown[] = []): Promise<Record<string, unknown>[]> {
      return (await pool.query(sql, values)).rows;
    },
    async [Symbol.asyncDispose]() {
      for (const close of open) await close();
      await prisma.$disconnect();
      await metadata[Symbol.asyncDispose]();
    },
  };
}

export type World = Awaited<ReturnType<typeof createWorld>>;

/** The shared test server, as somebody would give it. */
export const testConnection = () => {
  const { host, port, user, password } = inject('postgres');
  return { host, port, user, password, database: 'postgres', ssl: 'DISABLE' } as const;
};

/** What was thrown, checked for its code. */
export async function failure(work: Promise<unknown>, code: ErrorCode): Promise<AppError> {
  const error = await work.then(
    () => null,
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(AppError);
  expect((error as AppError).code).toBe(code);
  return error as AppError;
}

export const pathsOf = (error: AppError): string[] =>
  (error.details as { fields: { path: string }[] }).fields.map(({ path }) => path);
