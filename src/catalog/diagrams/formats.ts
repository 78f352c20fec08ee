/** In what a diagram can be written. */
import { writeDbml } from './dbml.ts';
import type { DiagramWriter } from './diagram.ts';
import { writeGraphviz } from './graphviz.ts';
import { writeMermaid } from './mermaid.ts';

export const diagramFormats = {
  MERMAID: writeMermaid,
  DBML: writeDbml,
  GRAPHVIZ: writeGraphviz,
} satisfies Record<string, DiagramWriter>;

export type DiagramFormat = keyof typeof diagramFormats;
