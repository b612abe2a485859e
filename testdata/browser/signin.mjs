// The first start: whoever has the link that the server printed becomes the owner.
import assert from 'node:assert/strict';
import { accessible, demo, opened, shot } from './browser.mjs';

export const password = 'a saddle, a lantern and rain';

// setUp returns a window in which the owner is signed in.
export async function setUp() {
  const page = await opened();
  await page.goto(demo.config);
  await accessible(page, 'first start');
  await shot(page, 'setup');
  await page.getByLabel('Your name').fill('Ann Owner');
  for (const field of await page.locator('input[type=password]').all()) await field.fill(password);
  if (await page.getByLabel(/e-mail/i).count()) await page.getByLabel(/e-mail/i).fill('ann@alderridge.example');
  await page.locator('main form button').click();
  await page.waitForURL((url) => url.pathname === '/');
  assert(!page.url().includes('ticket'));
  return page;
}
