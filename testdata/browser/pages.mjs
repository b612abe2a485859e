// Every page that an owner can reach by links, from the overview on, in a demo in which
// something has happened: each link leads somewhere, none of the pages has a serious
// fault for people who cannot see or use a mouse, in light and dark, in English and
// French, and none is too wide for a telephone.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { accessible, call, demo, finish, narrow, opened, shot } from './browser.mjs';
import { setUp } from './signin.mjs';
import { processed } from './steps.mjs';

// shape is a path in which what differs between pages of a kind is left out, such as the
// workspace: but what it looks like to set up, where people connect, is a kind of its own.
const shape = (path) => path.replace(/^\/workspaces\/(?!people\/authentication$)[^/]+/, '/workspaces/*').replace(/^(\/platform\/(workspaces|users|catalog))\/[^/]+/, '$1/*')
  .split('/').map((part) => (/^\d+$/.test(part) || part.length > 24 ? '*' : part)).join('/');
const name = (path) => shape(path).replace(/^\/workspaces\/\*/, '/workspace').replaceAll('*', 'one').replace(/^\/+|\/+$/g, '').replaceAll('/', '-') || 'overview';

// crawl visits one page of every kind.
async function crawl(page, visit) {
  const origin = new URL(page.url()).origin;
  const kinds = new Map(); // each with its page
  const todo = ['/', '/workspaces/demo', '/workspaces/people/authentication'], known = new Set(todo);
  while (todo.length > 0) {
    const path = todo.shift(), kind = shape(path.replace(/\?.*/, ''));
    if (kinds.has(kind)) {
      const answer = await page.request.get(origin + path);
      assert(answer.ok(), `a link leads to ${path}: ${answer.status()}`);
      continue;
    }
    const answer = await page.goto(origin + path);
    assert(answer.ok(), `a link leads to ${path}: ${answer.status()}`);
    if (!/^text\/html/.test(answer.headers()['content-type'])) continue; // for programs
    kinds.set(kind, path);
    await visit(page, path.replace(/\?.*/, ''));
    const links = await page.locator('a[href]').evaluateAll((all) => all.filter((a) => !a.hasAttribute('download') && a.origin === location.origin).map((a) => a.pathname + a.search));
    for (const to of links) {
      if (known.has(to) || /\/(export|oauth)\b/.test(to)) continue;
      known.add(to);
      todo.push(to);
    }
  }
  return kinds;
}

// something happens: agents call, are refused, ask a person, and hand in returns.
const agents = { 'demo-agent': 3, 'demo-reader': 2, 'helpdesk': 2, 'Demo-Agent': 1 };
for (const [agent, times] of Object.entries(agents)) {
  for (let i = 0; i < times; i++) await call('query', { action: 'soql', q: 'SELECT Name, Industry FROM Account LIMIT 5' }, { agent });
}
const account = (await call('query', { action: 'soql', q: 'SELECT Id FROM Account LIMIT 1' })).content[0].text.match(/001\w{15}/)[0];
await call('records', { action: 'update', sObjectName: 'Account', recordId: account, body: { Industry: 'Energy' }, reasoning: 'the customer says so', confidence: 0.7 }, { agent: 'demo-careful' });
for (const letter of 'fghik') await processed(`500Sm000000000${letter}IAA`);

const owner = await setUp();
const state = await owner.context().storageState();
const kinds = await crawl(owner, async (page, path) => {
  await accessible(page, 'light');
  await narrow(page, 'English');
  await shot(page, name(path));
});
for (const wanted of ['authentication', 'endpoint', 'agents', 'approvals', 'returns', 'audit', 'history', 'policy'].map((p) => `/workspaces/*/${p}`)
  .concat(['workspaces', 'users', 'catalog', 'health', 'audit'].map((p) => `/platform/${p}`), '/account', '/workspaces/people/authentication')) {
  assert(kinds.has(wanted), `no link leads to ${wanted}; seen ${[...kinds.keys()].join(' ')}`);
}

// The documentation has a picture of each.
const shown = readFileSync(`${process.env.DOCS}/configuration-app-screens.md`, 'utf8');
for (const kind of kinds.keys()) {
  const picture = `screens/${name(kind)}.png`;
  assert(shown.includes(`(${picture})`) && existsSync(`${process.env.DOCS}/${picture}`), `docs/configuration-app-screens.md has no picture of ${kind}: ${picture}`);
}

// The other language and the dark colours change no structure, so that colours and width
// are looked at.
const dark = await opened({ storageState: state, colorScheme: 'dark', locale: 'fr-FR' });
for (const path of kinds.values()) {
  await dark.goto(new URL(path, owner.url()).href);
  assert.equal(await dark.locator('html').getAttribute('lang'), 'fr');
  await accessible(dark, 'dark, French', ['color-contrast', 'link-in-text-block', 'label', 'button-name', 'link-name']);
  await narrow(dark, 'French');
}
await finish(`${kinds.size} kinds of pages`);
