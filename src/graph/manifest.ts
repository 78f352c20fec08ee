/** The operator's manifest of persisted documents: a file of ids and texts, as client-preset's `persistedDocuments` writes it. */
import { open } from 'node:fs/promises';
import { StartError } from '../db/start-error.ts';

/** Texts by their ids. */
export type Manifest = ReadonlyMap<string, string>;

const maxBytes = 32 * 2 ** 20;
const maxDocuments = 20_000;
const maxIdCharacters = 200;

/** @throws StartError for a file that is no manifest: a server without its documents would refuse whoever asks */
export async function readManifest(file: string): Promise<Manifest> {
  const fault = (why: string, cause?: unknown) => new StartError(`PERSISTED_DOCUMENTS: ${why}`, { cause });
  const text = await textOf(file).catch((cause: NodeJS.ErrnoException) => {
    throw fault(`the file cannot be read (${cause.code ?? cause.message})`, cause);
  });
  if (text === null) throw fault(`a file of ${maxBytes} bytes at the most`);
  const expected = 'a JSON object of ids and documents is expected: { "ID": "query …" }';
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    // The parser's own words quote the file.
    throw fault(expected);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content)) throw fault(expected);
  const documents = Object.entries(content);
  if (documents.length === 0) throw fault('there is no document in it');
  if (documents.length > maxDocuments) throw fault(`${maxDocuments} documents at the most`);
  for (const [id, document] of documents) {
    if (id === '' || id.length > maxIdCharacters) throw fault(`an id has 1 to ${maxIdCharacters} characters`);
    if (typeof document !== 'string' || document.trim() === '') throw fault(expected);
  }
  return new Map(documents as [string, string][]);
}

/** Null for more than a manifest may have. */
async function textOf(file: string): Promise<string | null> {
  await using handle = await open(file);
  const { size } = await handle.stat();
  return size > maxBytes ? null : await handle.readFile('utf8');
}
