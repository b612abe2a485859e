// What people do in the configuration app, step by step, through its forms and links
// alone, so that it is the same with scripts and without.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { call, demo, shot } from './browser.mjs';

export const origin = new URL(demo.mcp).origin;
export const integrationUser = 'integration@alderridge.example';

// said is what a page says has happened, or what is wrong.
export const said = async (page) => (await page.locator('.notice:visible').allInnerTexts()).join('\n');

// hears fails unless a page says something.
export async function hears(page, text) {
  const heard = await said(page);
  assert.match(heard, text, page.url());
}

export const press = (page, name) => page.getByRole('main').getByRole('button', { name, exact: true }).click();
export const follow = (page, name) => page.getByRole('navigation').getByRole('link', { name, exact: true }).click();

// org is a simulated org whose app has a certificate and a consumer key.
export async function org(certificate, consumerKey, port) {
  const child = spawn(process.env.SALESFORCE_MCP, ['fakeorg', '--json', '--listen', `127.0.0.1:${port}`, '--certificate', certificate, '--consumer-key', consumerKey], { stdio: ['ignore', 'pipe', 'inherit'], argv0: 'salesforce-mcp' });
  process.once('exit', () => child.kill());
  const [line] = await once(createInterface(child.stdout), 'line');
  return { ...JSON.parse(line), stop: () => child.kill() };
}

// freePort is one on which nobody listens.
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// create makes a workspace in mode jwt, with a key that the server makes, and an org that
// trusts its certificate.
export async function create(page, workspace, username = integrationUser) {
  const consumerKey = `3MVG9${workspace}`, port = await freePort();
  await follow(page, 'Workspaces');
  await page.getByLabel('Name').fill(workspace);
  await press(page, 'Create');
  await hears(page, new RegExp(`${workspace} is created`));
  await shot(page, 'story-new-workspace');
  await page.getByLabel('Login URL').fill(`http://127.0.0.1:${port}`);
  await page.getByLabel('Consumer key').fill(consumerKey);
  await page.getByLabel('Username').fill(username);
  await press(page, 'Save');
  await hears(page, /Saved/);
  await press(page, 'Make a key');
  await hears(page, /The key is made/);
  const file = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download the certificate' }).click();
  return org(await (await file).path(), consumerKey, port);
}

// mend puts another username in.
export async function mend(page, username) {
  await page.getByLabel('Username').fill(username);
  await press(page, 'Save');
  await hears(page, /Saved/);
}

// host lets a host in, and returns its token, which is shown this once.
export async function host(page) {
  await follow(page, 'MCP endpoint');
  await press(page, 'Add and make a token');
  await hears(page, /shown this once/);
  return page.getByLabel('Host token', { exact: true }).innerText();
}

// allow puts an agent on the list by its id.
export async function allow(page, agent) {
  await follow(page, 'Authorized agents');
  await page.getByLabel('Agent id').fill(agent);
  await press(page, 'Allow');
  await hears(page, new RegExp(`${agent} is allowed`));
}

// counted is a call of an agent that reads.
export const counted = (workspace, token, agent) =>
  call('query', { action: 'soql', q: 'SELECT COUNT() FROM Account' }, { url: `${origin}/w/${workspace}/mcp`, token, agent });

// answered are the lines of a result, by their names.
export const answered = (result) => Object.fromEntries(result.content[0].text.split('\n').map((line) => line.match(/^(\w+): (.*)$/)?.slice(1)).filter(Boolean));

// processed is how far a return is that an agent has handed in.
export const processed = async (caseId) =>
  answered(await call('returns', { action: 'process', caseId, confidence: 0.95, reasoning: 'the customer sent pictures of it' }));
