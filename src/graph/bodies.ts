/** What a request may hold beside its bytes, before it is parsed: parsing is one step, and nobody is served meanwhile. */
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { exceededByText, type JsonTextLimits } from '../lib/json-text.ts';

/** What is shorter is parsed in less than ten milliseconds, whatever is in it. */
const harmlessCharacters = 65_536;

/** Room for parameters of SQL in their millions of bytes; variables.ts and features are stricter. */
const jsonLimits: JsonTextLimits = { names: 20_000, values: 250_000, depth: 200 };

/** A request of more is 413 before it is parsed. */
export const maxBodyBytes = 10_000_000;

/** Of a form that is no multipart: its variables are text within text. */
const maxFormCharacters = 1_000_000;
/** Of the part that says where files belong. */
const maxMapCharacters = 10_000;
/** Of a multipart: its `operations` may be as long as a body of JSON, and no request has many files. */
const formLimits = { fieldSize: maxBodyBytes, parts: 1_000 };

/** @param given text, or the bytes of it */
export function isTooMuchJson(given: unknown): boolean {
  if (typeof given !== 'string' && !Buffer.isBuffer(given)) return false;
  return given.length > harmlessCharacters && exceededByText(String(given), jsonLimits) !== null;
}

const tooLarge = (message: string) =>
  new GraphQLError(message, { extensions: { code: 'LIMIT_EXCEEDED', http: { status: 413 } } });

function requireLess(isTooMuch: boolean): void {
  if (isTooMuch) throw tooLarge('The request holds more values than are taken, or deeper ones');
}

/** The parser of forms says so in the words of its message alone, e.g. “Parts limit exceeded: 1000”. */
function refuseExceeded(error: unknown): void {
  if (error instanceof Error && / exceeded: \d/.test(error.message)) throw tooLarge(error.message);
}

type Body = Pick<Request, 'text' | 'json' | 'formData'>;

/** As yoga's own requests are. Of themselves they take a field of a megabyte, and call that limit “undefined”. */
interface LimitedForm {
  formData(options: { formDataLimits: typeof formLimits }): Promise<FormData>;
}

/** Looks at what yoga's parsers would parse. What cannot be read is theirs to tell. */
export const useBoundedBodies = (): Plugin => ({
  onRequestParse({ request, requestParser, setRequestParser }) {
    const type = request.headers.get('content-type') ?? '';
    if (!requestParser || request.method !== 'POST') return;
    const parse = (body: Partial<Body>) => requestParser(body as Request);
    if (type.startsWith('multipart/')) {
      setRequestParser(async (given) => {
        const form = (given as LimitedForm).formData({ formDataLimits: formLimits });
        await form.then((fields) => {
          requireLess(isTooMuchJson(fields.get('operations')));
          requireLess(String(fields.get('map')).length > maxMapCharacters);
        }, refuseExceeded);
        return parse({ formData: () => form });
      });
      return;
    }
    const isJson = type.includes('json');
    setRequestParser(async (given) => {
      const text = given.text();
      await text.then((body) => requireLess(isJson ? isTooMuchJson(body) : body.length > maxFormCharacters), ignored);
      return parse({ text: () => text, json: async () => JSON.parse(await text) });
    });
  },
});

const ignored = () => undefined;
