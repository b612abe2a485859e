// A newcomer's clock: from the link of the first start to the first successful call of an
// agent, with a workspace, a key and an org of their own. Clicks are those that the
// browser saw; from field to field it goes with the tabulator.
import assert from 'node:assert/strict';
import { demo, finish, opened } from './browser.mjs';
import { begin } from './signin.mjs';
import { allow, counted, create, hears, host, press } from './steps.mjs';

const mostClicks = 12, mostSeconds = 300;

const page = await opened();
let clicks = 0;
await page.exposeFunction('clicked', () => clicks++);
await page.addInitScript(() => document.addEventListener('click', (e) => e.isTrusted && window.clicked(), true));

const began = performance.now();
await page.goto(demo.config);
await begin(page);
const org = await create(page, 'acme');
await press(page, 'Test connection');
await hears(page, /gave a token/);
const token = await host(page);
await allow(page, 'helpdesk');
const answer = await counted('acme', token, 'helpdesk');
const seconds = (performance.now() - began) / 1000;
assert(!answer.isError, JSON.stringify(answer));
org.stop();
console.log(`clicks: ${clicks} of at most ${mostClicks}; time: ${seconds.toFixed(1)} s of at most ${mostSeconds}, without the typing`);
assert(clicks > 5 && clicks <= mostClicks, `${clicks} clicks`);
assert(seconds < mostSeconds);
await finish('a newcomer’s clock');
