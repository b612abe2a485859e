// The first start: whoever has the link that the server printed becomes the owner.
import assert from 'node:assert/strict';
import { accessible, demo, narrow, opened, shot } from './browser.mjs';

export const password = 'a saddle, a lantern and rain';

// setUp returns a window in which the owner is signed in.
export async function setUp() {
  const page = await opened();
  await page.goto(demo.config);
  await accessible(page, 'first start');
  await narrow(page, 'first start');
  await shot(page, 'setup');
  await begin(page);
  return page;
}

// begin fills in what the link of the first start asks for.
export async function begin(page) {
  await page.getByLabel('Your name').fill('Ann Owner');
  await page.getByLabel('E-mail address').fill('ann@alderridge.example');
  await page.getByLabel('New password').fill(password);
  await page.getByRole('button', { name: 'Begin' }).click();
  await page.waitForURL((url) => url.pathname === '/');
  assert(!page.url().includes('ticket'));
}

// signIn signs in with a password.
export async function signIn(page, email, password) {
  await page.goto(new URL('/signin', demo.mcp).href);
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL((url) => url.pathname === '/');
}
