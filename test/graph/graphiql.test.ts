/** GraphiQL in Chromium, as a newcomer uses it: the main job by clicks and keys alone, from the tabs it opens on. */
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { has, pathOf } from '../support/debian.ts';
import { type Quarry, startQuarry } from '../support/server.ts';

const executablePath = pathOf('Chromium');

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
/** High enough for Monaco to put the whole of an answer into the page: it leaves out what is not in view. */
const viewport = { width: 1_400, height: 2_000 };
/** A browser on a busy machine is slow, not wrong. */
const stepTimeoutMs = 60_000;
const browserTestTimeoutMs = 180_000;
const tabTitles = ['Register', 'Databases', 'Submit', 'Watch', 'Rows', 'Export', 'File'];

interface AnswerBody {
  // biome-ignore lint/suspicious/noExplicitAny: whatever the document of a tab asks for
  data?: any;
  errors?: { extensions: { code: string } }[];
}

interface Frame {
  type: string;
  payload?: AnswerBody;
}

describe.runIf(has('Chromium'))('GraphiQL', { timeout: browserTestTimeoutMs }, () => {
  let quarry: Quarry;
  let browser: Browser;

  beforeAll(async () => {
    [quarry, browser] = await Promise.all([startQuarry(), chromium.launch({ executablePath, args })]);
    await quarry.until('sample.ready');
  });

  afterAll(async () => {
    await browser?.close();
    await quarry?.[Symbol.asyncDispose]();
  });

  /** A browser that was never here before, on the page. */
  async function open() {
    const context = await browser.newContext({ viewport, permissions: ['clipboard-write'] });
    onTestFinished(() => context.close());
    context.setDefaultTimeout(stepTimeoutMs);
    const page = await context.newPage();
    const urls: string[] = [];
    const complaints: string[] = [];
    const frames = { sent: [] as Frame[], received: [] as Frame[] };
    page.on('request', (request) => urls.push(request.url()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    // What the policy of the page forbids is an error here.
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
    });
    page.on('websocket', (socket) => {
      urls.push(socket.url());
      socket.on('framesent', ({ payload }) => frames.sent.push(JSON.parse(String(payload)) as Frame));
      socket.on('framereceived', ({ payload }) => frames.received.push(JSON.parse(String(payload)) as Frame));
    });
    const response = await page.goto(quarry.url);
    await executeButton(page).waitFor();
    return { page, response: response!, urls, complaints, frames };
  }

  /** Those that are neither this server's nor the page's own. */
  function outside(urls: readonly string[]): string[] {
    const { host } = new URL(quarry.url);
    return urls.filter((url) => !/^(blob|data):/.test(url) && new URL(url).host !== host);
  }

  test('is served whole and opens on the steps of the main job', async () => {
    const { page, response, urls, complaints } = await open();
    expect(response.status()).toBe(200);
    expect(response.headers()['content-type']).toMatch(/^text\/html/);
    expect(response.headers()['content-security-policy']).toContain("default-src 'none'");
    expect(await page.locator('.graphiql-tab-button').allInnerTexts()).toEqual(tabTitles);
    // The fields that the editor offers come from the server: the page has all that it works with.
    await page.getByLabel('Show Documentation Explorer').click();
    await page.getByText('Root Types').waitFor();
    expect(outside(urls)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('runs the main job, each step from its tab, and asks nobody else', async () => {
    const { page, urls, complaints, frames } = await open();

    const { register } = (await run(page)).data;
    const token: string = register.auth.accessToken;
    expect(token.split('.')).toHaveLength(3);
    // Monaco breaks the line where it is full; the head of the token stands on one.
    await shown(page, token.slice(0, 20));
    const authorization = { authorization: `Bearer ${token}` };

    await choose(page, 'Databases');
    await write(page, 'Headers', authorization);
    const { databases } = (await run(page)).data;
    await shown(page, 'MAKEYOURSPACE');
    const sample = databases.nodes.find(({ name }: { name: string }) => name === 'MAKEYOURSPACE');
    expect(sample.tables.nodes).toHaveLength(5);

    await choose(page, 'Submit');
    await write(page, 'Headers', authorization);
    const sql = 'select i, i * i as square from generate_series(1, 30) as i';
    await write(page, 'Variables', { databaseId: sample.id, sql });
    const { job } = (await run(page)).data.submitQuery;
    await shown(page, job.id.slice(0, 20));

    await choose(page, 'Watch');
    await write(page, 'Headers', authorization);
    await write(page, 'Variables', { id: job.id });
    await executeButton(page).click();
    await shown(page, 'SUCCEEDED');
    expect(frames.sent.map(({ type }) => type)).toEqual(expect.arrayContaining(['connection_init', 'subscribe']));
    const states = frames.received.filter(({ type }) => type === 'next').map(({ payload }) => payload!.data.jobUpdated);
    expect(states.at(-1)).toMatchObject({ status: 'SUCCEEDED', progress: { rows: 30 }, error: null });

    await choose(page, 'Rows');
    await write(page, 'Headers', authorization);
    await write(page, 'Variables', { id: job.id });
    const { result } = (await run(page)).data.job;
    await shown(page, 'rowCount');
    expect(result).toMatchObject({ rowCount: 30, rows: { hasNextPage: true } });
    expect(result.rows.rows).toEqual(Array.from({ length: 20 }, (_, i) => [i + 1, (i + 1) ** 2]));

    await choose(page, 'Export');
    await write(page, 'Headers', authorization);
    await write(page, 'Variables', { id: job.id });
    const { exportJob } = (await run(page)).data;

    await choose(page, 'File');
    await write(page, 'Headers', authorization);
    await write(page, 'Variables', { id: exportJob.job.id });
    const ended = ['SUCCEEDED', 'FAILED'];
    let exported = (await run(page)).data.job;
    while (!ended.includes(exported.status)) exported = (await run(page)).data.job;
    await shown(page, 'sha256');
    expect(exported).toMatchObject({ status: 'SUCCEEDED', export: { rows: 30 }, error: null });

    expect(outside(urls)).toEqual([]);
    expect(complaints).toEqual([]);
  });

  test('shows what is wrong where it was asked, over HTTP and over WebSocket', async () => {
    const { page, urls, frames } = await open();
    await choose(page, 'Databases');
    expect((await run(page)).errors).toMatchObject([{ extensions: { code: 'UNAUTHENTICATED' } }]);
    await shown(page, 'UNAUTHENTICATED');

    await choose(page, 'Watch');
    await write(page, 'Variables', { id: 'nothing' });
    await executeButton(page).click();
    await shown(page, 'UNAUTHENTICATED');
    expect(JSON.stringify(frames.received)).toContain('"code":"UNAUTHENTICATED"');
    expect(outside(urls)).toEqual([]);
  });
});

const executeButton = (page: Page) => page.locator('.graphiql-execute-button');

async function choose(page: Page, title: string): Promise<void> {
  await page.locator('.graphiql-tab-button', { hasText: title }).click();
  await page.locator('.graphiql-tab-active', { hasText: title }).waitFor();
}

/** As hands do it: the page gives nobody a handle on its editors, and what is typed they complete with brackets. */
async function write(page: Page, pane: 'Headers' | 'Variables', value: object): Promise<void> {
  await page.getByRole('button', { name: pane, exact: true }).click();
  const uri = pane === 'Headers' ? 'request-headers.json' : 'variables.json';
  await page.locator(`.monaco-editor[data-uri$="${uri}"] .view-lines`).click();
  await page.keyboard.press('ControlOrMeta+A');
  await page.evaluate((text) => navigator.clipboard.writeText(text), JSON.stringify(value));
  await page.keyboard.press('ControlOrMeta+V');
}

/** @returns what the page was answered */
async function run(page: Page): Promise<AnswerBody> {
  // Introspection may still be on its way; it is not what was asked.
  const answered = page.waitForResponse(
    (response) =>
      response.request().method() === 'POST' && !response.request().postData()?.includes('IntrospectionQuery'),
  );
  await executeButton(page).click();
  return (await answered).json() as Promise<AnswerBody>;
}

const shown = (page: Page, text: string) => page.locator('.result-window').getByText(text).first().waitFor();
