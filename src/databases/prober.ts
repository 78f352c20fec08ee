/** Looks at servers for users: a bounded number at once, each within a time, and always with an answer. */
import type { ConnectionProblem, Probe, Target } from '../engines/engine.ts';
import type { EngineKind, Engines } from '../engines/registry.ts';
import { AppError } from '../lib/errors.ts';
import { createGate } from '../lib/gate.ts';

export interface ConnectionReport extends Probe {
  checkedAt: Date;
}

export interface Prober {
  /** @throws the signal's reason when it aborts; never for what is wrong with the target */
  probe(
    kind: EngineKind,
    target: () => Target | Promise<Target>,
    options: { signal: AbortSignal },
  ): Promise<ConnectionReport>;
}

export interface ProberDeps {
  readonly engines: Engines;
  readonly maxConcurrent?: number;
  readonly timeoutMs?: number;
}

const defaultMaxConcurrent = 16;
/** An engine gives up before; this holds for whatever does not. */
const defaultTimeoutMs = 20_000;

export function createProber({
  engines,
  maxConcurrent = defaultMaxConcurrent,
  timeoutMs = defaultTimeoutMs,
}: ProberDeps): Prober {
  const gate = createGate({ max: maxConcurrent });
  return {
    probe: (kind, target, { signal }) =>
      gate.run(async () => {
        const deadline = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
        try {
          return { ...(await engines[kind].probe(await target(), { signal: deadline })), checkedAt: new Date() };
        } catch (error) {
          signal.throwIfAborted();
          return failedReport(deadline.aborted ? silent : problemOf(error));
        }
      }, signal),
  };
}

const silent: ConnectionProblem = { code: 'TCP', message: 'The server did not answer in time', hint: null };

const failedReport = (problem: ConnectionProblem): ConnectionReport => ({
  ok: false,
  serverVersion: null,
  latencyMs: null,
  capabilities: [],
  problems: [problem],
  checkedAt: new Date(),
});

function problemOf(error: unknown): ConnectionProblem {
  if (!(error instanceof AppError)) throw error;
  const { reason = error.code, hint = null } = error.details ?? {};
  return { code: String(reason), message: error.message, hint: hint === null ? null : String(hint) };
}

/** Warnings are problems, too; what ended the attempt comes first. */
export function connectionFailed(report: ConnectionReport, { host, port }: { host: string; port: number }): AppError {
  const [problem] = report.problems;
  return new AppError('CONNECTION_FAILED', problem?.message ?? `${host}:${port} cannot be used`, {
    details: { host, port, reason: problem?.code ?? 'DATABASE', hint: problem?.hint ?? null },
  });
}
