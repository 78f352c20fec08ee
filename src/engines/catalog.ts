/** The catalogue part of the engine contract: what is read, by set, and in which shapes. */

/** Reads by set: one statement a call, however many objects it is asked for. Closed with the target's connection. */
export interface Catalog extends AsyncDisposable {
  readonly serverVersion: () => Promise<string>;
}
