/** Bytes under a name that we chose: written once, whole or not at all, read whole. */
export interface BlobStore {
  /** Visible only when all of it is there. @throws the store's own error, e.g. ENOSPC */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Null when it is not there. */
  get(key: string): Promise<Buffer | null>;
  /** @throws the store's own error when nothing can be written there now */
  check(): Promise<void>;
}
