/** What pg_dump's table of contents lists: an object an entry, with the statements that make it. */

export interface DumpEntry {
  /** Catalogue and object, `1259 16386`; null for what is a part of another one, as a comment. */
  readonly id: string | null;
  /** As pg_dump calls it: `FK CONSTRAINT`. */
  readonly kind: string;
  readonly schema: string | null;
  readonly name: string;
  readonly sql: string;
}

/** @param dump of --schema-only --verbose */
export const entriesOf = (dump: string): DumpEntry[] =>
  dump
    .split(/^-- TOC entry \d+ (?=\(class \d+ OID \d+\)$)/m)
    .slice(1)
    .map((text) => {
      const head = text.match(
        /^\(class (\d+) OID (\d+)\)\n(?:-- Dependencies: .*\n)?-- Name: (.*); Type: ([A-Z ]+); Schema: (.*); Owner: .*\n--\n\n/,
      );
      if (!head) throw new Error(`No entry of a dump: ${text.slice(0, 200)}`);
      const [whole, catalog, object, name = '', kind = '', schema = ''] = head;
      return {
        id: catalog === '0' ? null : `${catalog} ${object}`,
        kind,
        schema: schema === '-' ? null : schema,
        name,
        sql: text.slice(whole.length),
      };
    });
