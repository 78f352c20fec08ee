/** Loads what is only installed for the benchmarks: the project's own checks must pass without it. */
import { createRequire } from 'node:module';

/** @param name of a package in bench/package.json; the caller declares what it uses of it */
export const requirePeer = <Module>(name: string): Module => createRequire(import.meta.url)(name) as Module;
