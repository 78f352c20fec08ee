/** How long and how much, of what processes tell each other of changes. */

export interface RelayLimits {
  /** How often a holder says how far it has come and looks who reads, and a reader that it does. */
  readonly reportMs: number;
  /** A lease that has ended may be renewed still for so long: the metadata were away for its holder, too. */
  readonly graceMs: number;
  /** After which a reader that says nothing is forgotten. */
  readonly readMs: number;
  /** Between two looks for chunks that nobody has rung for. */
  readonly pollMs: number;
  /** Metadata that do not answer a question for so long are away. */
  readonly askMs: number;
  /** How long who reads waits for metadata that are away. */
  readonly silentMs: number;
  /** What the holder may take for an answer. */
  readonly answerMs: number;
  /** Text of a chunk, about. */
  readonly chunkBytes: number;
  /** Text that waits to be written; no more is heard until it is. */
  readonly pendingBytes: number;
  /** Chunks that a reader may be behind, sealed; no more is heard until it has read, or has read nothing for `stalledMs`. */
  readonly behindBytes: number;
  readonly stalledMs: number;
  /** Chunks that are kept, sealed; the oldest go, whoever has not read them. */
  readonly keptBytes: number;
  /** Chunks that all have read are kept so long, for who comes later with a position. */
  readonly keptMs: number;
  /** Chunks that are read at once, sealed. */
  readonly readBytes: number;
}

export const relayLimits: RelayLimits = {
  reportMs: 1_000,
  graceMs: 2_000,
  readMs: 10_000,
  pollMs: 500,
  askMs: 5_000,
  silentMs: 30_000,
  answerMs: 60_000,
  chunkBytes: 512 * 2 ** 10,
  pendingBytes: 8 * 2 ** 20,
  behindBytes: 16 * 2 ** 20,
  stalledMs: 10_000,
  keptBytes: 64 * 2 ** 20,
  keptMs: 60_000,
  readBytes: 2 * 2 ** 20,
};
