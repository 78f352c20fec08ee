/** COPY of PostgreSQL, whole in memory: what it writes, and what it reads. */
import pg from 'pg';

/** The part of a connection of `pg` that its types leave out. */
interface CopyConnection {
  sendCopyFromChunk(bytes: Uint8Array): void;
  endCopyFrom(): void;
}

/** The bytes of `COPY … TO STDOUT`. */
export async function copyOut(client: pg.Client, sql: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  await submit(client, sql, {
    handleCopyData: ({ chunk }: { chunk: Buffer }) => chunks.push(Buffer.from(chunk)),
  });
  return Buffer.concat(chunks);
}

/** `COPY … FROM STDIN` of these bytes. */
export const copyIn = (client: pg.Client, sql: string, bytes: Uint8Array): Promise<void> =>
  submit(client, sql, {
    handleCopyInResponse(connection: CopyConnection) {
      if (bytes.length > 0) connection.sendCopyFromChunk(bytes);
      connection.endCopyFrom();
    },
  });

function submit(client: pg.Client, sql: string, handlers: object): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null | undefined) => (error ? reject(error) : resolve());
    const query: pg.Query = new (pg.Query as unknown as new (text: string, done: unknown) => pg.Query)(sql, done);
    client.query(Object.assign(query, handlers));
  });
}
