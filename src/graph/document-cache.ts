/**
 * Parsed documents, so that a client's own few are parsed and validated once. What one document may hold here is
 * bounded, and so is how many there are: yoga's own cache keeps a thousand of any size for whoever sends them.
 */
const maxDocuments = 256;
/** Of the text; a parsed document is some twenty times as large. */
const maxCharacters = 10_000;

export interface DocumentCache<T> {
  get(text: string): T | undefined;
  set(text: string, value: T): void;
}

/** The one that was used longest ago goes first. */
export function createDocumentCache<T>(): DocumentCache<T> {
  const kept = new Map<string, T>();
  return {
    get(text) {
      const value = kept.get(text);
      if (value === undefined) return undefined;
      kept.delete(text);
      kept.set(text, value);
      return value;
    },
    set(text, value) {
      if (text.length > maxCharacters) return;
      kept.delete(text);
      kept.set(text, value);
      const [oldest] = kept.keys();
      if (kept.size > maxDocuments && oldest !== undefined) kept.delete(oldest);
    },
  };
}
