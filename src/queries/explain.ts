/** Explains SQL where it would run: with the viewer's rights, parameters and limits, but as no job. */
import type { Settings } from '../accounts/settings.ts';
import type { Viewer } from '../accounts/viewer.ts';
import type { Databases } from '../databases/databases.ts';
import type { TypedConnections } from '../databases/typed-connections.ts';
import { type Engine, NotOneStatement, type QueryPlan, RunError, type Target } from '../engines/engine.ts';
import { AppError, badInput, type FieldFault } from '../lib/errors.ts';
import { createFairGate } from '../lib/fair-gate.ts';
import { faultsOfStatement, isReadOnly, isReadOnlyTyped, type QueryTarget } from './queries.ts';

export const explainLimits = {
  /** Less than a job may have: what is explained is parsed here, and for the time of that nothing else is done. */
  sqlBytes: 65_536,
  planBytes: 2 * 2 ** 20,
  /** At once; the others wait. */
  parallelOfUser: 2,
  parallelOfProcess: 8,
  /** Less than a job may have: whoever is explained to waits for it, and others for his place. */
  timeoutMs: 60_000,
  /** In the line; the time of the statement does not run there. */
  maxWaitMs: 90_000,
} as const;

export interface ExplainQuery {
  target: QueryTarget;
  sql: string;
  parameters: readonly unknown[] | null;
  /** Runs it, and undoes it. */
  analyze: boolean;
}

export interface Explain {
  /**
   * Within the viewer's `statementTimeoutMs`, or `explainLimits.timeoutMs` where that is less. Refusals of the target are SQL_ERROR with their place in the text.
   * @throws AppError NOT_FOUND, FORBIDDEN, BAD_USER_INPUT, CONNECTION_FAILED, SQL_ERROR, READ_ONLY, TIMEOUT, LIMIT_EXCEEDED
   */
  explain(viewer: Viewer | null, input: ExplainQuery, options: { signal: AbortSignal }): Promise<QueryPlan>;
}

export interface ExplainDeps {
  readonly databases: Pick<Databases, 'requireDatabase' | 'targetOf'>;
  readonly connections: Pick<TypedConnections, 'parse' | 'targetOf'>;
  readonly settingsOf: (viewer: Viewer) => Promise<Pick<Settings, 'statementTimeoutMs'>>;
  readonly limits?: { readonly timeoutMs?: number; readonly maxWaitMs?: number };
}

/** Where it would run; the credentials are opened as late as they are needed. */
interface Place {
  readonly readOnly: boolean;
  readonly reach: (signal: AbortSignal) => Promise<{ engine: Engine; target: Target }>;
}

export function createExplain({ databases, connections, settingsOf, limits }: ExplainDeps): Explain {
  const { parallelOfProcess, parallelOfUser, timeoutMs: maxTimeoutMs, maxWaitMs } = { ...explainLimits, ...limits };
  const gate = createFairGate({ max: parallelOfProcess, maxOfUser: parallelOfUser, maxWaitMs });

  async function placeOf(viewer: Viewer | null, target: QueryTarget): Promise<Place> {
    if ('connection' in target) {
      const settings = connections.parse(viewer, target.connection);
      return { readOnly: isReadOnlyTyped(viewer), reach: async () => connections.targetOf(settings) };
    }
    const database = await databases.requireDatabase(viewer, 'database:query', target.databaseId);
    return {
      readOnly: isReadOnly(viewer, database),
      // requireDatabase() lets nobody through who is not signed in.
      reach: (signal) => databases.targetOf(database, viewer!, { signal }),
    };
  }

  return {
    async explain(viewer, input, { signal: wanted }) {
      const { readOnly, reach } = await placeOf(viewer, input.target);
      const faults = faultsOfStatement(input);
      if (Buffer.byteLength(input.sql) > explainLimits.sqlBytes) {
        const message = `at most ${explainLimits.sqlBytes} bytes; longer ones run EXPLAIN as a job`;
        faults.push({ path: 'input.sql', message });
      }
      if (faults.length > 0) throw badInput(...(faults as [FieldFault]));
      const { statementTimeoutMs } = await settingsOf(viewer!);
      const timeoutMs = Math.min(statementTimeoutMs, maxTimeoutMs);
      const work = async () => {
        const deadline = AbortSignal.timeout(timeoutMs);
        const signal = AbortSignal.any([wanted, deadline]);
        try {
          const { engine, target } = await reach(signal);
          return await engine.explain(target, input.sql, {
            parameters: input.parameters ?? undefined,
            analyze: input.analyze,
            readOnly,
            maxPlanBytes: explainLimits.planBytes,
            label: 'quarry explain',
            signal,
          });
        } catch (cause) {
          wanted.throwIfAborted();
          if (deadline.aborted) {
            throw new AppError('TIMEOUT', `Stopped after ${timeoutMs} ms`, { cause, details: { timeoutMs } });
          }
          throw toAppError(cause);
        }
      };
      return await gate.run(viewer!.userId, work, wanted);
    },
  };
}

function toAppError(cause: unknown): unknown {
  if (cause instanceof NotOneStatement) return badInput({ path: 'input.sql', message: cause.message });
  if (!(cause instanceof RunError)) return cause;
  const { code, message, sqlState, engineCode, position, line, detail, hint } = cause.fault;
  switch (code) {
    case 'CONNECTION_LOST':
      return new AppError('CONNECTION_FAILED', message, { cause, details: { reason: 'LOST', sqlState, hint } });
    case 'CANCELLED':
      return cause; // by nobody: what stops it is asked before
    case 'INTERNAL_SERVER_ERROR':
      return cause;
    default:
      return new AppError(code, cut(message), {
        cause,
        details: { sqlState, engineCode, position, line, detail: detail && cut(detail), hint: hint && cut(hint) },
      });
  }
}

/** A target may put a whole cell into its error. */
const maxTextCharacters = 8_192;
const cut = (text: string): string => (text.length > maxTextCharacters ? `${text.slice(0, maxTextCharacters)}…` : text);
