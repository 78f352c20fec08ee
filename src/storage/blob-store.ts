/** Bytes under a name that we chose: written once, whole or not at all, read whole, deleted by the folder. */
export interface BlobStore {
  /** Visible only when all of it is there. @throws the store's own error, e.g. ENOSPC */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Null when it is not there. */
  get(key: string): Promise<Buffer | null>;
  /**
   * Deletes the blob of this name and all below it (`PREFIX/…`); nothing there is nothing to do, also for two at once.
   * What is left when it fails or is stopped, the next call finds. @throws the signal's reason, the store's own error
   */
  deletePrefix(prefix: string, signal: AbortSignal): Promise<void>;
  /** @throws the store's own error when nothing can be written there now */
  check(): Promise<void>;
}
