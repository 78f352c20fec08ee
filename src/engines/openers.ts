/** How the sessions of each engine are opened, for a process that runs scripts and loads nothing else of an engine. */
import type { Dial, OpenOptions, Session, Target } from './engine.ts';
import type { EngineKind } from './registry.ts';

export type OpenSession = (target: Target, options: OpenOptions) => Promise<Session>;

const openers: Readonly<Record<EngineKind, (deps: { dial: Dial }) => Promise<OpenSession>>> = {
  async postgresql(deps) {
    const [{ openSession }, { createParser }] = await Promise.all([
      import('./postgresql/session.ts'),
      import('./postgresql/parser.ts'),
    ]);
    const parser = createParser();
    return (target, options) => openSession({ ...deps, parser }, target, options);
  },
};

export const openerOf = (kind: EngineKind, deps: { dial: Dial }): Promise<OpenSession> => openers[kind](deps);
