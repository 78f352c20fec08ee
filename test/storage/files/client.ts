/** Somebody who uses the file store of a whole server: GraphQL for what there is, plain HTTP for the bytes. */
import { print } from 'graphql';
import {
  CreateBucketDocument,
  CreateUploadDocument,
  FileDocument,
  UploadFileDocument,
} from '../../support/operations.ts';
import type { Account, Quarry } from '../../support/server.ts';

/** @param account absent: anonymous */
export function createFileClient(quarry: Quarry, account?: Account) {
  const asker = account ?? {};
  const headers: Record<string, string> = { 'x-graphql-yoga-csrf': '1', accept: 'application/graphql-response+json' };
  if (account) headers.authorization = `Bearer ${account.token}`;

  return {
    async bucket(input: { name: string; [field: string]: unknown }) {
      return (await quarry.ask(CreateBucketDocument, { input }, asker)).createBucket.bucket;
    },
    /** Whatever is answered. */
    upload(bucketId: string, path: string, file: Blob, { overwrite = false } = {}) {
      const form = new FormData();
      const variables = { input: { bucketId, path, overwrite, file: null } };
      form.set('operations', JSON.stringify({ query: print(UploadFileDocument), variables }));
      form.set('map', JSON.stringify({ file: ['variables.input.file'] }));
      form.set('file', file, 'whatever');
      return quarry.post(form, headers);
    },
    /** @throws Error for an answer with errors */
    async file(bucketId: string, path: string, content: Blob | string, options = {}) {
      const blob = typeof content === 'string' ? new Blob([content], { type: 'text/plain' }) : content;
      const { data, errors } = await this.upload(bucketId, path, blob, options);
      if (errors) throw new Error(JSON.stringify(errors));
      const { file } = (
        data as { uploadFile: { file: { id: string; url: string; sha256: string; sizeBytes: number } } }
      ).uploadFile;
      return file;
    },
    async target(bucketId: string, path: string, sizeBytes: number, more: object = {}) {
      const input = { bucketId, path, sizeBytes, ...more };
      return (await quarry.ask(CreateUploadDocument, { input }, asker)).createUpload.upload;
    },
    async find(id: string, more: { expiresInMs?: number; download?: boolean } = {}) {
      const { node } = await quarry.ask(FileDocument, { id, ...more }, asker);
      return node as Extract<NonNullable<typeof node>, { url?: unknown }> | null;
    },
  };
}

export type FileClient = ReturnType<typeof createFileClient>;

export const put = (url: string, body: BodyInit, headers: Record<string, string> = {}) =>
  fetch(url, { method: 'PUT', body, headers, duplex: 'half' } as RequestInit);

export const offsetOf = async (url: string): Promise<number> => {
  const response = await fetch(url, { method: 'HEAD' });
  if (response.status !== 200) throw new Error(`HEAD: ${response.status}`);
  return Number(response.headers.get('upload-offset'));
};
