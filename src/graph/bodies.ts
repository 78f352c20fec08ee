/** What a request may hold beside its bytes, before it is parsed: parsing is one step, and nobody is served meanwhile. */
import type { IncomingMessage } from 'node:http';
import { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { ByteBudget } from '../lib/byte-budget.ts';
import { exceededByText, type JsonTextLimits } from '../lib/json-text.ts';
import { rateLimited } from '../lib/rates.ts';
import { refused } from './errors.ts';
import type { ServerContext } from './pipeline.ts';

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

/** Of bodies and messages that have not come whole yet, of all who send them. */
export const maxUnfinishedBytes = 2 ** 28;
/** Who is to come again later does so no sooner. */
const crowdedMs = 1_000;

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
type OnRequestParse = NonNullable<Plugin['onRequestParse']>;
type RequestParser = NonNullable<Parameters<OnRequestParse>[0]['requestParser']>;
type Parsed = ReturnType<RequestParser>;

/** As yoga's own requests are. Of themselves they take a field of a megabyte, and call that limit “undefined”. */
interface LimitedForm {
  formData(options: { formDataLimits: typeof formLimits }): Promise<FormData>;
}

export interface BoundedBodiesDeps {
  /** Room for bodies that are still coming. */
  readonly unfinished: ByteBudget;
  addressOf(request: IncomingMessage): string | null;
}

/** As yoga's parsers compare it: they take nothing that is written otherwise. */
const mediaTypeOf = (request: Request): string => request.headers.get('content-type')?.split(/[,;]/, 1)[0] ?? '';

/** What a parser would parse, looked at before. What cannot be read is the parser's to tell. */
async function checkedBody(request: Request, given: Request): Promise<Partial<Body>> {
  const type = mediaTypeOf(request);
  if (type === 'multipart/form-data') {
    const form = (given as unknown as LimitedForm).formData({ formDataLimits: formLimits });
    await form.then((fields) => {
      requireLess(isTooMuchJson(fields.get('operations')));
      requireLess(String(fields.get('map')).length > maxMapCharacters);
    }, refuseExceeded);
    return { formData: () => form };
  }
  const isJson = type === 'application/json' || type === 'application/graphql+json';
  const text = given.text();
  await text.then((body) => requireLess(isJson ? isTooMuchJson(body) : isTooMuchForm(body)), ignored);
  return { text: () => text, json: async () => JSON.parse(await text) };
}

function isTooMuchForm(body: string): boolean {
  if (body.length > maxFormCharacters) return true;
  const fields = new URLSearchParams(body);
  return isTooMuchJson(fields.get('variables')) || isTooMuchJson(fields.get('extensions'));
}

const ignored = () => undefined;

/** Of what they do not expect, the parsers tell where their code was stopped by it, with pieces of the request. */
async function parametersOf(parse: () => Parsed): Promise<Awaited<Parsed>> {
  try {
    const parameters: unknown = await parse();
    if (typeof parameters === 'object' && parameters !== null) return parameters as Awaited<Parsed>;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
  }
  throw new GraphQLError(
    'The request cannot be read: `variables` and `extensions` are objects in JSON, `operations` and `map` what the multipart request specification has',
    { extensions: { code: 'BAD_USER_INPUT', http: { status: 400, spec: false } } },
  );
}

/** Looks at what yoga's parsers would parse, while there is room for it. */
export const useBoundedBodies = ({ unfinished, addressOf }: BoundedBodiesDeps): Plugin => ({
  onRequestParse({ request, requestParser, setRequestParser, serverContext }) {
    if (!requestParser) return;
    if (request.method !== 'POST') return setRequestParser((given) => parametersOf(() => requestParser(given)));
    const { req } = serverContext as unknown as Pick<ServerContext, 'req'>;
    setRequestParser(async (given) => {
      const bytes = Math.min(Number(req.headers['content-length'] ?? maxBodyBytes), maxBodyBytes);
      const small = bytes <= harmlessCharacters;
      const held = small ? null : unfinished.hold(addressOf(req) ?? '', bytes, () => req.destroy());
      if (!small && !held) throw refused(rateLimited(crowdedMs, 'Too much is being sent at once'));
      try {
        const body = await checkedBody(request, given);
        return await parametersOf(() => requestParser(body as Request));
      } finally {
        held?.release();
      }
    });
  },
});
