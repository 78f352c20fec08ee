/** The drivers by kind. What one needs is loaded when it is chosen: the S3 client takes 37 MB of memory and 0.15 s. */
import type { BlobStore } from './blob-store.ts';
import { createDiskStore } from './disk.ts';
import { createOwnWriter } from './disk-writer.ts';
import type { StoragePlace } from './place.ts';

const drivers: { [Kind in StoragePlace['kind']]: (place: PlaceOf<Kind>, options: OpenOptions) => Promise<BlobStore> } =
  {
    file: async ({ directory }, { small }) =>
      createDiskStore({ directory, ...(small && { writer: createOwnWriter() }) }),
    s3: async (place) => (await import('./s3.ts')).createS3Store(place),
  };

interface OpenOptions {
  /** It has little memory, and time to write by itself. */
  readonly small?: boolean;
}

type PlaceOf<Kind extends StoragePlace['kind']> = Extract<StoragePlace, { kind: Kind }>;

/** Opens nothing there yet: check() tells whether it answers. */
export function openStorage<Kind extends StoragePlace['kind']>(
  place: PlaceOf<Kind> & { kind: Kind },
  options: OpenOptions = {},
): Promise<BlobStore> {
  return drivers[place.kind](place, options);
}
