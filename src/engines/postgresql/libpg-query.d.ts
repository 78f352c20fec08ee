/** The bare module inside the package, of which parser.ts makes instances of its own. */
declare module 'libpg-query/wasm/libpg-query.js' {
  const createModule: () => Promise<unknown>;
  export default createModule;
}
