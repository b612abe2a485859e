// A person connects their Salesforce user and disconnects it again.
import assert from 'node:assert/strict';
import { call, demo, finish, opened, shot } from './browser.mjs';

const mcp = demo.mcp.replace('/w/demo/', '/w/people/');
const query = () => call('query', { action: 'soql', q: 'SELECT COUNT() FROM Account' }, { url: mcp, headers: { 'user-id': 'ann' } });
const title = (page) => page.locator('h1').innerText();

const refused = await query();
const link = refused.structuredContent.connect_url;
assert(refused.isError && link, JSON.stringify(refused));

const page = await opened();
await page.goto(link);
assert.equal(await title(page), 'Connect Salesforce');
await shot(page, 'connect');
await page.locator('main a').click();
assert(page.url().startsWith(demo.org + '/services/oauth2/authorize'), page.url());
await page.fill('input[name=username]', 'sam.okafor@alderridge.example');
await page.fill('input[name=password]', 'alder-ridge');
await page.locator('button').click();
await page.locator('button[value=allow]').click();
assert.equal(await title(page), 'Salesforce is connected');
assert(!(await query()).isError, 'connected, and refused');

const again = await opened();
await again.goto(link);
assert.equal(await title(again), 'This link is not good any more');

const links = await (await fetch(mcp.replace(/mcp$/, 'oauth/connect'), { method: 'POST', headers: { Authorization: `Bearer ${demo.host_token}`, 'user-id': 'ann' } })).json();
const out = await opened();
await out.goto(links.disconnect_url);
assert.equal(await title(out), 'Disconnect Salesforce');
await out.locator('button').click();
assert.equal(await title(out), 'Salesforce is disconnected');
assert((await query()).isError, 'disconnected, and let through');
await finish('a person connects and disconnects');
