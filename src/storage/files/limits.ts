/** What of the file store can grow, and how far. */
export const storageLimits = {
  /** Of one user's files, with what is kept free for his uploads; where nothing says otherwise. */
  bytesOfUser: 10 * 2 ** 30,
  /** Files and uploads of one user. */
  filesOfUser: 100_000,
  /** Buckets that one user made. */
  bucketsOfUser: 500,
  /** A file inside of a GraphQL request, whose whole body is at most 10 MB; larger ones have createUpload. */
  inlineBytes: 8 * 2 ** 20,
  /** Of a bucket, in one list. */
  pendingListed: 100,
  bucketNameCharacters: 100,
  /** Of a file's path, in UTF-8. */
  pathBytes: 1_024,
  mimeTypes: 100,
  mimeTypeCharacters: 255,
} as const;

export type StorageLimits = { readonly [name in keyof typeof storageLimits]: number };

/** From its creation until an upload that nobody ended is swept, and its link ends. */
export const uploadTtlMs = 24 * 3_600_000;

/** Of a link that is made with an API key, at the most: it does not end when the key is revoked. */
export const keyLinkTtlMs = 3_600_000;

export const linkTtlMs = { min: 1_000, default: 300_000, max: 7 * 24 * 3_600_000 } as const;
