// What the browser tests share: Chromium through playwright-core, with every
// complaint of a page kept, and axe-core to see whether it can be used by everybody.
import assert from 'node:assert/strict';
import { readFileSync, mkdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { chromium } from 'playwright-core';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// demo is the line that `demo --json` printed.
export const demo = JSON.parse(process.env.DEMO);

// complaints are what consoles said, such as what a page's own policy refused.
export const complaints = [];

export const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });

// opened is a new window of its own, with no cookies of others.
export async function opened(options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 900 }, ...options });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  page.on('console', (m) => m.type() === 'error' && !/status of (4\d\d|503)/.test(m.text()) && complaints.push(`${page.url()}: ${m.text()}`));
  page.on('pageerror', (e) => complaints.push(`${page.url()}: ${e}`));
  return page;
}

const everything = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

// accessible fails when axe finds a serious fault, with all its rules or some. Its own
// script is put in through the debugger, which the policy of the page does not bind.
export async function accessible(page, what, rules) {
  await page.evaluate(axe);
  const runOnly = rules ? { type: 'rule', values: rules } : { type: 'tag', values: everything };
  const { violations } = await page.evaluate((runOnly) => axe.run(document, { runOnly, resultTypes: ['violations'] }), runOnly);
  const serious = violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
  assert.deepEqual(serious.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html.slice(0, 200)).slice(0, 3).join(' ')}`), [], `${what} (${page.url()})`);
}

// narrow fails when a page has to be scrolled sideways at 360 pixels.
export async function narrow(page, what) {
  const before = page.viewportSize();
  await page.setViewportSize({ width: 360, height: 740 });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert(wide <= 0, `${what} (${page.url()}) is ${wide} pixels too wide at 360`);
  await page.setViewportSize(before);
}

// shot keeps a picture of a page, where pictures are wanted; of a long one, its beginning.
export async function shot(page, name) {
  if (!process.env.SHOTS) return;
  mkdirSync(process.env.SHOTS, { recursive: true });
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.screenshot({ path: `${process.env.SHOTS}/${name}.png`, fullPage: true, clip: { x: 0, y: 0, width: 1280, height: Math.min(height, 2400) } });
}

// call calls a tool as an agent, and returns the result.
export async function call(name, args, { url = demo.mcp, token = demo.host_token, agent = demo.agent_id, headers = {} } = {}) {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'agent-id': agent, 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } }),
  });
  const said = await answer.json();
  assert(said.result, JSON.stringify(said));
  return said.result;
}

// finish fails when a page complained.
export async function finish(what) {
  await browser.close();
  assert.deepEqual(complaints, []);
  console.log(`ok: ${what}`);
}
