// A person connects and disconnects in Chromium; see run.
import assert from 'assert';
import puppeteer from 'puppeteer-core';

const demo = JSON.parse(process.env.DEMO);
const mcp = demo.mcp.replace('/w/demo/', '/w/people/');

// call queries as the agent, for ann.
async function call() {
  const answer = await fetch(mcp, {
    method: 'POST',
    headers: { Authorization: `Bearer ${demo.host_token}`, 'agent-id': demo.agent_id, 'user-id': 'ann', 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'query', arguments: { action: 'soql', q: 'SELECT COUNT() FROM Account' } } }),
  });
  return (await answer.json()).result;
}

const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] });
const complaints = [];

// opened is a new window, whose console is listened to: it says what a page's own
// policy (CSP) refused.
async function opened(url) {
  const page = await (await browser.createBrowserContext()).newPage();
  page.on('console', (m) => m.type() === 'error' && complaints.push(m.text()));
  page.on('pageerror', (e) => complaints.push(String(e)));
  await page.goto(url);
  return page;
}

const title = (page) => page.$eval('h1', (e) => e.textContent);
const go = (page, selector) => Promise.all([page.waitForNavigation(), page.click(selector)]);

try {
  const refused = await call();
  const link = refused.structuredContent.connect_url;
  assert(refused.isError && link, JSON.stringify(refused));

  const page = await opened(link);
  assert.equal(await title(page), 'Connect Salesforce');
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT + '-connect.png' });
  await go(page, 'main a');
  assert(page.url().startsWith(demo.org + '/services/oauth2/authorize'), page.url());
  await page.type('input[name=username]', 'sam.okafor@alderridge.example');
  await page.type('input[name=password]', 'alder-ridge');
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT + '-login.png' });
  await go(page, 'button');
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT + '-consent.png' });
  await go(page, 'button[value=allow]');
  assert.equal(await title(page), 'Salesforce is connected');
  if (process.env.SHOT) await page.screenshot({ path: process.env.SHOT + '-connected.png' });
  assert(!(await call()).isError, 'connected, and refused');

  const again = await opened(link);
  assert.equal(await title(again), 'This link is not good any more');

  const links = await (await fetch(mcp.replace(/mcp$/, 'oauth/connect'), { method: 'POST', headers: { Authorization: `Bearer ${demo.host_token}`, 'user-id': 'ann' } })).json();
  const out = await opened(links.disconnect_url);
  assert.equal(await title(out), 'Disconnect Salesforce');
  await go(out, 'button');
  assert.equal(await title(out), 'Salesforce is disconnected');
  assert((await call()).isError, 'disconnected, and let through');

  assert.deepEqual(complaints.filter((c) => !c.includes('404')), []);
  console.log('ok: connected and disconnected in', await browser.version());
} finally {
  await browser.close();
}
