/** What lives as long as the process: started in order, stopped in reverse. */
export interface Service {
  /** Ends everything it opened; called once, never throws for what is already gone. */
  stop(): Promise<void>;
}

/** Stops the last one first; one that fails does not keep the others from stopping. @throws AggregateError */
export async function stopAll(services: readonly Service[]): Promise<void> {
  const faults: unknown[] = [];
  for (const service of [...services].reverse()) {
    try {
      await service.stop();
    } catch (error) {
      faults.push(error);
    }
  }
  if (faults.length > 0) throw new AggregateError(faults, 'not everything stopped cleanly');
}
