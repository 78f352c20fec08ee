/** The formats that there are: a new one is a file, and a line here. */
import { csv } from './csv.ts';
import type { Format } from './format.ts';

export const formats = { csv } as const satisfies Record<string, Format>;

export type FormatName = keyof typeof formats;
