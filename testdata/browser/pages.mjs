// Every page that an owner can reach by links, from the overview on: none of them has
// a serious fault for people who cannot see or use a mouse, in light and dark, in
// English and French, and none is too wide for a telephone.
import assert from 'node:assert/strict';
import { accessible, complaints, demo, finish, narrow, opened, shot } from './browser.mjs';
import { setUp } from './signin.mjs';

// shape is a path in which what differs between pages of a kind is left out.
const shape = (path) => path.split('/').map((part) => (/\d/.test(part) || part.length > 24 ? '*' : part)).join('/');
const name = (path) => shape(path).replace(/\/workspaces\/[^/]+/, '/workspace').replaceAll('*', 'one').replace(/^\/+|\/+$/g, '').replaceAll('/', '-') || 'overview';

// crawl visits one page of every kind.
async function crawl(page, visit) {
  const origin = new URL(page.url()).origin;
  const seen = new Set();
  const todo = ['/'];
  while (todo.length > 0) {
    const path = todo.shift();
    if (seen.has(shape(path))) continue;
    seen.add(shape(path));
    const answer = await page.goto(origin + path);
    assert(answer.ok(), `${path}: ${answer.status()}`);
    await visit(page, path);
    const links = await page.locator('a[href]').evaluateAll((all) => all.filter((a) => !a.hasAttribute('download') && a.origin === location.origin).map((a) => a.pathname));
    for (const to of links.filter((to) => !/\.(json|jsonl|zip|pem|crt|csv)$|\/export|\/oauth\//.test(to))) todo.push(to);
  }
  return seen;
}

const owner = await setUp();
const state = await owner.context().storageState();
const kinds = await crawl(owner, async (page, path) => {
  await accessible(page, 'light');
  await narrow(page, 'English');
  await shot(page, name(path));
});
for (const wanted of ['authentication', 'endpoint', 'agents', 'approvals', 'returns', 'audit', 'history'].map((p) => `/workspaces/demo/${p}`)
  .concat(['workspaces', 'users', 'catalog', 'health'].map((p) => `/platform/${p}`), '/account')) {
  assert(kinds.has(wanted), `no link leads to ${wanted}; seen ${[...kinds].join(' ')}`);
}

const dark = await opened({ storageState: state, colorScheme: 'dark', locale: 'fr-FR' });
await dark.goto(new URL('/', owner.url()).href);
await crawl(dark, async (page) => {
  assert.equal(await page.locator('html').getAttribute('lang'), 'fr');
  await accessible(page, 'dark, French');
  await narrow(page, 'French');
});
await finish(`${kinds.size} kinds of pages`);
