/** Bytes under a name that we chose: visible whole or not at all, read in any range, deleted by the folder. */

/** What a store throws is its own error, with a `code` (ENOSPC, AccessDenied); a key or range that is wrong is a bug. */
export interface BlobStore {
  /** Of one blob; infinite where its room alone ends it. More is refused with LIMIT_EXCEEDED by write(). */
  readonly maxBytes: number;
  /** Small things, at once. Visible only when all of it is there. @throws the store's own error, e.g. ENOSPC */
  put(key: string, bytes: Uint8Array): Promise<void>;
  /** Small things, whole. Null when it is not there. */
  get(key: string): Promise<Buffer | null>;
  /**
   * Null when it is not there. What was opened is read to its end even if it is replaced or deleted meanwhile; an abort
   * ends it with an error. Empty where `start` lies behind the end.
   */
  read(key: string, range: BlobRange, signal: AbortSignal): Promise<BlobReading | null>;
  /** Bytes. Null when it is not there. */
  size(key: string): Promise<number | null>;
  /**
   * The blob of this name and all below it (`PREFIX/…`), in the order of their keys, unfinished uploads among them. What
   * comes or goes meanwhile may be in it or not.
   */
  list(prefix: string, signal: AbortSignal): AsyncIterable<BlobEntry>;
  /**
   * Goes on where an unfinished upload of this key stopped, else begins at 0; what is visible under the key stays until
   * finish(). One writer a key at a time is the caller's care: the newest one counts, and who was before him and comes back
   * fails, before his bytes are visible. The signal ends what waits in it, for as long as it lives.
   */
  upload(key: string, signal: AbortSignal, options?: UploadOptions): Promise<BlobUpload>;
  /** Where upload() would go on; null when no unfinished upload is there. */
  uploadOffset(key: string): Promise<number | null>;
  /**
   * Deletes the blob of this name and all below it (`PREFIX/…`), with unfinished uploads; nothing there is nothing to do,
   * also for two at once. What is left when it fails or is stopped, the next call finds. @throws the signal's reason, the
   * store's own error
   */
  deletePrefix(prefix: string, signal: AbortSignal): Promise<void>;
  /** @throws the store's own error when nothing can be written there now */
  check(): Promise<void>;
}

export interface UploadOptions {
  /** Begins at 0, and nothing is left of an unfinished upload of the key. */
  anew?: boolean;
}

/** In bytes, both inclusive, as in an HTTP range; left out: from the beginning, to the end. */
export interface BlobRange {
  start?: number;
  end?: number;
}

/** Read once, or disposed of. A piece is the reader's until he asks for the next one: then its bytes may be others. */
export interface BlobReading extends AsyncIterable<Uint8Array>, AsyncDisposable {}

export interface BlobEntry {
  key: string;
  /** Of an unfinished upload: when it was last written to, or begun where the store does not tell that. */
  modifiedAt: Date;
  /** An unfinished upload: not visible to read(). */
  partial?: true;
}

/**
 * Disposed of before finish(), it leaves what was written for the next upload() of the key, when what is under way is done;
 * after an abort only what was safe: the key may be another writer's by then.
 */
export interface BlobUpload extends AsyncDisposable {
  /** Bytes that are safe even if the process dies now: the next upload() goes on there. May lag behind what was written. */
  readonly offset: number;
  /**
   * Resolves when more is welcome; from then on the bytes are the caller's again, and written soon or with finish(). Fails
   * also for what earlier calls gave: after a failure the next write begins at `offset`. One at a time.
   * @throws the store's own error, the signal's reason
   */
  write(bytes: Uint8Array): Promise<void>;
  /**
   * Makes it visible, in place of what was there. Once more: the same answer. May be tried again when it failed; where
   * bytes were lost, it fails until they are written again, from `offset` on.
   */
  finish(): Promise<FinishedBlob>;
  /** Nothing is left of it; nothing happens after finish(). */
  abandon(): Promise<void>;
}

export interface FinishedBlob {
  bytes: number;
  /** Hex, over all bytes, also of an upload in several goes. */
  sha256: string;
}
