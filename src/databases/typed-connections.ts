/**
 * Connections that somebody types for one job alone. They are kept nowhere but in that job: sealed whole and bound to it,
 * opened where its session begins or has to be ended, and dropped with its end, which is the queue's.
 */
import { createHash } from 'node:crypto';
import { requireCan } from '../accounts/policy.ts';
import type { Viewer } from '../accounts/viewer.ts';
import type { SealedColumn } from '../db/rotation.ts';
import type { Engine, Target } from '../engines/engine.ts';
import type { Engines } from '../engines/registry.ts';
import { AppError } from '../lib/errors.ts';
import type { Keyring } from '../lib/keyring.ts';
import { targetWith } from './credentials.ts';
import { type ConnectionInput, type ConnectionSettings, parseConnection } from './input.ts';

export interface TypedConnections {
  /** Asks for no more than a connection that is kept would. @throws AppError UNAUTHENTICATED, BAD_USER_INPUT */
  parse(viewer: Viewer | null, input: ConnectionInput): ConnectionSettings;
  /** What of it may be known and outlives it: a key that is equal for equal databases, and their name in words. */
  describe(settings: ConnectionSettings): { targetKey: string; targetLabel: string };
  /** How to reach it at once, without keeping it. */
  targetOf(settings: ConnectionSettings): { engine: Engine; target: Target };
  /** In the row of another job it does not open. */
  seal(jobId: string, settings: ConnectionSettings): string;
  /** With the password in clear: not to be kept or printed. @throws AppError CONNECTION_FAILED when it does not open */
  open(jobId: string, sealed: string): { engine: Engine; target: Target };
}

export interface TypedConnectionsDeps {
  readonly keyring: Keyring;
  readonly engines: Engines;
}

const contextOf = (jobId: string) => ['jobs', 'connection', jobId] as const;

/** For a rotation of the keys. */
export const sealedConnections: SealedColumn = {
  table: 'jobs',
  column: 'sealed_connection',
  key: { id: 'uuid' },
  boundTo: ['id'],
  context: contextOf,
};

export function createTypedConnections({ keyring, engines }: TypedConnectionsDeps): TypedConnections {
  function opened(jobId: string, sealed: string): ConnectionSettings {
    try {
      return JSON.parse(keyring.open(sealed, contextOf(jobId))) as ConnectionSettings;
    } catch (cause) {
      throw new AppError('CONNECTION_FAILED', 'The credentials of this job cannot be opened', {
        cause,
        details: {
          reason: 'CREDENTIALS',
          hint: 'They were sealed with a key that is not in MASTER_KEYS: submit the SQL again with its connection.',
        },
      });
    }
  }

  const targetOf = (settings: ConnectionSettings) => ({
    engine: engines[settings.engine],
    target: targetWith(settings),
  });

  return {
    parse(viewer, input) {
      requireCan(viewer, 'connection:use', { kind: 'server' });
      return parseConnection(input, {
        defaultPort: (kind) => engines[kind].defaultPort,
        path: 'input.target.connection',
      });
    },

    describe({ engine, host, port, database }) {
      const { displayName } = engines[engine];
      return {
        targetKey: keyOf([engine, host.toLowerCase().replace(/\.$/, ''), String(port), database]),
        targetLabel: `${displayName} ${host}:${port}/${database}`,
      };
    },

    seal: (jobId, settings) => keyring.seal(JSON.stringify(settings), contextOf(jobId)),

    targetOf,

    open: (jobId, sealed) => targetOf(opened(jobId, sealed)),
  };
}

/** A UUID of version 8 (RFC 9562, 5.8), made of the parts alone: equal in every process, and never the id of a row. */
function keyOf(parts: readonly string[]): string {
  const bytes = createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16);
  bytes[6] = 0x80 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const hex = bytes.toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Whether a job had credentials of its own: rows have ids of version 7. */
export const isTyped = (targetKey: string): boolean => targetKey.charAt(14) === '8';
