// The whole story: first start, a workspace in mode jwt whose test fails with a wrong
// username and says so, an agent that is allowed, one that is refused and then allowed
// with one click, a return that a person approves with the keyboard alone, and the audit
// trail of all that, verified. Then again where scripts do not run.
import assert from 'node:assert/strict';
import { call, demo, finish, opened, shot } from './browser.mjs';
import { password, setUp, signIn } from './signin.mjs';
import { allow, answered, counted, create, follow, hears, host, integrationUser, mend, press, processed, said } from './steps.mjs';

// approveByKeys approves the one approval that waits: with the keys of the page where
// scripts run, else by going from one thing to the next.
async function approveByKeys(page, scripts) {
  const focus = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
  const tab = async (reached) => {
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press('Tab');
      if (reached(await focus())) return;
    }
    assert.fail(`the tabulator does not lead there: ${page.url()}`);
  };
  const waits = await page.locator('article.card a').first().getAttribute('id');
  if (scripts) await page.keyboard.press('j');
  else await tab((id) => id === waits);
  assert.equal(await focus(), waits);
  await page.keyboard.press('Enter');
  await page.waitForURL(/approvals\/./);
  await shot(page, 'story-approval');
  await tab((id) => id === 'note');
  await page.keyboard.type('Seen the pictures, go ahead');
  await page.keyboard.press('Tab');
  assert.equal(await focus(), 'approve');
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.notEqual(outline, 'none', 'the focus cannot be seen');
  await page.keyboard.press('Enter');
  await page.waitForURL(/approvals$/);
}

async function story(page, { workspace, caseId, scripts = true }) {
  const org = await create(page, workspace, 'nobody@alderridge.example');
  await press(page, 'Test connection');
  await hears(page, /The test failed: .*username does not exist/);
  await shot(page, 'story-test-fails');
  await mend(page, integrationUser);
  await press(page, 'Test connection');
  await hears(page, /gave a token/);
  await shot(page, 'story-test-works');

  const token = await host(page);
  await shot(page, 'story-host-token');
  await follow(page, 'MCP endpoint');
  assert(!(await page.content()).includes(token), 'the token is shown twice');

  await allow(page, 'helpdesk');
  const works = await counted(workspace, token, 'helpdesk');
  assert(!works.isError, JSON.stringify(works));
  const refused = await counted(workspace, token, 'stranger');
  assert(refused.isError, 'a stranger was let in');
  assert.match(JSON.stringify(refused), /not authorized to use this connector/);

  await follow(page, 'Authorized agents');
  const row = page.getByRole('row', { name: /stranger/ });
  assert.equal(await row.count(), 1, 'the refused agent is not under Refused lately');
  await shot(page, 'story-refused-lately');
  await row.getByRole('button', { name: 'Allow stranger' }).click();
  await hears(page, /stranger is allowed/);
  assert(!(await counted(workspace, token, 'stranger')).isError, 'allowed, and refused');

  const tick = page.getByRole('checkbox', { name: 'Allow stranger' });
  await tick.uncheck();
  if (scripts) await page.getByText('Saved.').waitFor();
  else await page.locator('li.agent', { hasText: 'stranger' }).getByRole('button', { name: 'Save' }).click();
  assert((await counted(workspace, token, 'stranger')).isError, 'the tick was taken away, and the agent is let in');
  org.stop();

  const run = await processed(caseId);
  assert.equal(run.status, 'waiting', JSON.stringify(run));
  await page.goto(demo.mcp.replace(/\/w\/demo\/mcp$/, '/workspaces/demo/approvals'));
  await shot(page, 'story-approvals');
  await approveByKeys(page, scripts);
  await hears(page, /Approved: /);
  let now;
  for (let i = 0; i < 100; i++) { // the run goes on by itself
    now = answered(await call('returns', { action: 'status', caseId }));
    if (now.status === 'done') break;
    await page.waitForTimeout(200);
  }
  assert.equal(now.status, 'done', JSON.stringify(now));

  await follow(page, 'Returns');
  await page.locator(`#run-${run.runId}`).click();
  await page.locator('summary', { hasText: 'approvals.approve' }).click();
  assert.match(await page.locator('details[open]').innerText(), /Seen the pictures, go ahead/);
  await shot(page, 'story-run');
  await page.getByRole('link', { name: 'All entries of this run in the audit trail' }).click();
  const trail = await page.getByRole('main').innerText();
  for (const wanted of [/approv/i, /ann@alderridge\.example/, /refund/]) assert.match(trail, wanted, 'the audit trail of the run');
  await shot(page, 'story-audit-run');
  await follow(page, 'Audit');
  await page.locator('main nav').getByRole('link', { name: 'Proof' }).click();
  await press(page, 'Verify now');
  for (let i = 0; i < 100 && !/signed entries are as they were signed/.test(await said(page)); i++) {
    if (!scripts) await page.reload();
    await page.waitForTimeout(100);
  }
  await hears(page, /All [\d,]+ signed entries are as they were signed/);
  await shot(page, 'story-verified');
}

const owner = await setUp();
await story(owner, { workspace: 'sales', caseId: '500Sm000000000kIAA' });
console.log('ok: the story');

process.env.SHOTS = '';
const plain = await opened({ javaScriptEnabled: false });
await signIn(plain, 'ann@alderridge.example', password);
await story(plain, { workspace: 'plain', caseId: '500Sm000000000lIAA', scripts: false });
await finish('the story, with scripts and without');
