/** GraphiQL, served whole: one page with everything in it, compressed once, loaded when first asked for. */
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';

export interface StaticPage {
  html: Buffer;
  gzipped: Buffer;
  etag: string;
}

export interface GraphiqlTab {
  query: string;
  variables?: string;
}

/** The page runs scripts of its own and Monaco's workers from blobs, and talks to nobody but this server. */
export const graphiqlPolicy = [
  "default-src 'none'",
  "script-src 'unsafe-inline' 'unsafe-eval' blob:",
  "style-src 'unsafe-inline'",
  "img-src 'self' data:",
  "font-src 'self' data:",
  'worker-src blob:',
  "connect-src 'self' ws: wss:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/**
 * A tab moves by a transform that GraphiQL applies to the focused one only. At its first click that is a stale one of
 * the page's load: the tab is away before the button is up, and the click is lost.
 */
const tabStyle = '<style>.graphiql-tab.graphiql-tab { transform: none !important }</style>';

/** @returns the page, the same at every call */
export function createGraphiql(tabs: readonly GraphiqlTab[]): () => Promise<StaticPage> {
  let page: Promise<StaticPage> | null = null;
  async function render(): Promise<StaticPage> {
    // 9 MB of script: not read before somebody opens the page.
    const { renderGraphiQL } = await import('@graphql-yoga/render-graphiql');
    const page = renderGraphiQL({
      title: 'Quarry',
      subscriptionsProtocol: 'WS',
      defaultTabs: [...tabs],
      shouldPersistHeaders: true,
      defaultHeaders: '{}',
    } as never);
    const html = Buffer.from(page.replace('</head>', `${tabStyle}</head>`));
    return {
      html,
      gzipped: await promisify(gzip)(html),
      etag: `"${createHash('sha256').update(html).digest('base64url')}"`,
    };
  }
  return () => {
    page ??= render();
    return page;
  };
}
