/** Answers the CLI's JSON-RPC, one request a line, in their order. */
import { createInterface } from 'node:readline';
import { createDatabase } from './administer.mjs';
import { openEngine } from './engine.mjs';
import { fail } from './report.mjs';

/** What JSON-RPC of the native engine gives for every failure; the CLI reads `data`. */
const errorCode = 4466;

/** Returns when the CLI closes our input. */
export async function serve({ url, schemaFiles, input, output }) {
  let panic;
  // In the middle of something asynchronous a panic reaches nobody who waits.
  process.once('uncaughtException', (error) => fail(error, { panic: panic ?? error.stack }));
  const send = (message) => output.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

  // Opened at the first request that needs it: `createDatabase` comes when there is nothing to connect to.
  let opening;
  const engine = () => {
    opening ??= openEngine({
      url,
      schemaFiles,
      onPanic: (message) => {
        panic = message;
      },
    });
    return opening;
  };

  const methods = {
    createDatabase: async () => ({ databaseName: await createDatabase(url) }),
    getDatabaseVersion: async () => (await engine()).version(),
    async evaluateDataLoss(params) {
      const { migrationsList, filters } = params;
      // Compiled to WebAssembly the engine opens no shadow database for this: it needs what the diagnosis replayed and
      // kept, and the one before the CLI applied pending migrations kept nothing.
      await (await engine()).devDiagnostic({ migrationsList, filters });
      return (await engine()).evaluateDataLoss(params);
    },
    async diff(params, id) {
      const { stdout, ...result } = await (await engine()).diff(params);
      // The native engine prints through the CLI.
      if (stdout) send({ id: `print-${id}`, method: 'print', params: { content: stdout } });
      return result;
    },
  };
  const call = async (method, params, id) =>
    methods[method] ? methods[method](params, id) : (await engine())[method](params);

  for await (const line of createInterface({ input })) {
    const { id, method, params = {} } = JSON.parse(line);
    // The CLI's answer to `print`.
    if (method === undefined) continue;
    try {
      send({ id, result: (await call(method, params, id)) ?? {} });
    } catch (error) {
      const { message, code, meta = {} } = error;
      const data = { is_panic: panic !== undefined, message: panic ?? message, error_code: code, meta };
      send({ id, error: { code: errorCode, message: data.message, data } });
    }
  }
}
