/** Loads Prisma's schema engine from its WebAssembly. */
import { readFile } from 'node:fs/promises';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { createAdapterFactory } from './adapter.mjs';

/**
 * @param schemaFiles paths of *.prisma
 * @param onPanic called with Rust's message before the trap is thrown, which itself says nothing
 */
export async function openEngine({ url, schemaFiles, onPanic }) {
  globalThis.PRISMA_WASM_PANIC_REGISTRY = { set_message: onPanic };
  await instantiate();
  const datamodels = await Promise.all(schemaFiles.map(async (path) => [path, await readFile(path, 'utf8')]));
  const ignoreLogs = () => {};
  return bindings.SchemaEngine.new(
    { datamodels: datamodels.length > 0 ? datamodels : undefined },
    ignoreLogs,
    createAdapterFactory(url),
  );
}

/** By hand: the package's entry imports the .wasm as a module, which Node does not do. */
async function instantiate() {
  const wasm = new URL('schema_engine_bg.wasm', import.meta.resolve('@prisma/schema-engine-wasm/schema_engine_bg'));
  const { instance } = await WebAssembly.instantiate(await readFile(wasm), { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
}
