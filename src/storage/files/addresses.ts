/** Where files are fetched and brought: `/files/TOKEN/NAME` by a signed link, `/files/public/KEY/NAME` by its own key. */
import type { Viewer } from '../../accounts/viewer.ts';
import type { LinkPurpose, Links } from './links.ts';
import { fileNameOf } from './names.ts';
import type { StoredFile } from './store.ts';

export interface Addresses {
  signed(viewer: Viewer, file: StoredFile, purpose: LinkPurpose, expiresAt: Date): string;
  /** Does not expire; nobody guesses its 128 bits. */
  public(file: StoredFile): string;
}

/** @param publicUrl of the server; its port may be known later only */
export function createAddresses({ links, publicUrl }: { links: Links; publicUrl: URL }): Addresses {
  // What follows is for people, and for the name under which a browser saves it: nobody reads it here.
  const urlOf = (key: string, { path }: StoredFile) =>
    new URL(`/files/${key}/${encodeURIComponent(fileNameOf(path))}`, publicUrl).href;
  return {
    signed({ userId, key }, file, purpose, expiresAt) {
      const keyId = key?.id ?? null;
      return urlOf(links.sign({ purpose, fileId: file.id, userId, keyId, madeAt: new Date(), expiresAt }), file);
    },
    public: (file) => urlOf(`public/${file.publicKey}`, file),
  };
}
