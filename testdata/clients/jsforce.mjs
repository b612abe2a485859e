// jsforce 3 against a simulated org; see run.
import assert from 'assert';
import jsforce from 'jsforce';

const org = JSON.parse(process.env.ORG);
const conn = new jsforce.Connection({ instanceUrl: org.org, accessToken: org.org_token, version: '62.0' });
conn.bulk2.pollInterval = 100;
conn.bulk2.pollTimeout = 60000;
let failed = 0;

async function check(name, f) {
  try {
    await f();
    console.log('ok  ', name);
  } catch (e) {
    failed++;
    console.log('FAIL', name, e.errorCode ?? '', e.message);
  }
}

// later asks again until an answer is there.
async function later(ask) {
  for (let i = 0; i < 100; i++) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((r) => setTimeout(r, 100));
  }
  throw new Error('it did not come');
}

await check('query, pages, queryAll, explain', async () => {
  assert.equal((await conn.query('SELECT Id, Name FROM Account LIMIT 3')).totalSize, 3);
  const leads = Array.from(Array(2100), (_, i) => ({ LastName: `L${i}`, Company: 'Pages' }));
  assert.ok((await conn.sobject('Lead').create(leads, { allowRecursive: true })).every((r) => r.success));
  assert.equal((await conn.query("SELECT Id FROM Lead WHERE Company = 'Pages'", { autoFetch: true, maxFetch: 5000 })).records.length, 2100);
  assert.ok((await conn.query('SELECT Id FROM Account', { scanAll: true })).done);
  assert.ok((await conn.query("SELECT Id FROM Account WHERE Name = 'x'").explain()).plans.length > 0);
});
await check('create, retrieve, update, upsert, delete, deleted', async () => {
  const account = conn.sobject('Account');
  const { id } = await account.create({ Name: 'JS', ExternalId__c: 'JS-1' });
  assert.equal((await account.retrieve(id)).Name, 'JS');
  assert.ok((await account.update({ Id: id, Site: 'Berlin' })).success);
  assert.ok((await account.upsert({ ExternalId__c: 'JS-1', Phone: '1' }, 'ExternalId__c')).success);
  assert.ok((await account.destroy(id)).success);
  const soon = new Date(Date.now() + 60000).toISOString();
  const gone = await account.deleted(new Date(Date.now() - 3600000).toISOString(), soon);
  assert.ok(gone.deletedRecords.some((r) => r.id === id));
  await assert.rejects(account.retrieve(id), (e) => e.errorCode === 'NOT_FOUND' || e.errorCode === 'ENTITY_IS_DELETED');
});
await check('search, describe, limits, recent', async () => {
  await conn.sobject('Account').create({ Name: 'Findable' });
  assert.equal((await conn.search('FIND {Findable} IN NAME FIELDS RETURNING Account(Id)')).searchRecords.length, 1);
  assert.ok((await conn.describeGlobal()).sobjects.length > 20);
  assert.ok((await conn.sobject('Case').describe()).fields.length > 10);
  assert.ok((await conn.limits()).DailyApiRequests.Max > 0);
  assert.ok(Array.isArray(await conn.recent()));
});
await check('composite by request', async () => {
  const made = await conn.requestPost('/composite', {
    allOrNone: true,
    compositeRequest: [
      { method: 'POST', url: '/services/data/v62.0/sobjects/Account', referenceId: 'a', body: { Name: 'C' } },
      { method: 'GET', url: '/services/data/v62.0/sobjects/Account/@{a.id}', referenceId: 'r' },
    ],
  });
  assert.equal(made.compositeResponse[1].body.Name, 'C');
});
await check('bulk2: insert, update, upsert, delete, failures', async () => {
  const load = (operation, input, more = {}) => conn.bulk2.loadAndWaitForResults({ object: 'Account', operation, input, ...more });
  const rows = Array.from(Array(200), (_, i) => ({ Name: `Bulk ${i}`, Description: 'a "q", b\nc', ExternalId__c: `B-${i}` }));
  const r = await load('insert', [...rows, { BillingState: 'CA' }]);
  assert.equal(r.successfulResults.length, 200);
  assert.match(r.failedResults[0].sf__Error, /^REQUIRED_FIELD_MISSING/);
  const ids = r.successfulResults.map((x) => ({ Id: x.sf__Id }));
  assert.equal((await load('update', ids.slice(0, 20).map((x) => ({ ...x, Site: 'U' })))).failedResults.length, 0);
  assert.equal((await load('upsert', [{ ExternalId__c: 'B-0', Name: 'Up' }], { externalIdFieldName: 'ExternalId__c' })).successfulResults[0].sf__Created, 'false');
  const out = await (await conn.bulk2.query("SELECT Id, Owner.Name FROM Account WHERE ExternalId__c LIKE 'B-%'")).toArray();
  assert.equal(out.length, 200);
  assert.equal((await load('delete', ids)).successfulResults.length, 200);
  await assert.rejects(load('insert', [{ Nope: 'x' }]), /Field name not found : Nope/);
});
await check('tooling: query, describe, class, container, anonymous Apex, completions', async () => {
  const t = conn.tooling;
  assert.ok((await t.describeGlobal()).sobjects.length > 20);
  const made = await t.sobject('ApexClass').create({ Name: 'Js', Body: 'public class Js {}' });
  assert.equal((await t.sobject('ApexClass').retrieve(made.id)).Name, 'Js');
  const container = await t.create('MetadataContainer', { Name: 'js' });
  await t.create('ApexClassMember', { MetadataContainerId: container.id, ContentEntityId: made.id, Body: 'public class Js { Integer i; }' });
  const request = await t.create('ContainerAsyncRequest', { MetadataContainerId: container.id, IsCheckOnly: false });
  await later(async () => (await t.retrieve('ContainerAsyncRequest', request.id)).State === 'Completed');
  assert.ok((await t.executeAnonymous("System.debug('x');")).success);
  assert.equal((await t.executeAnonymous('Integer i = 1/0;')).exceptionMessage, 'System.MathException: Divide by 0');
  assert.ok((await t.completions('apex')).publicDeclarations.System);
  await t.sobject('ApexClass').destroy(made.id);
});
await check('Apex tests, at once and later', async () => {
  const ran = await conn.tooling.runTestsSynchronous({ tests: [{ className: 'WarrantyClaimsTest' }] });
  assert.ok(ran.numTestsRun > 0 && ran.failures.length === 0);
  const job = await conn.tooling.runTestsAsynchronous({ classNames: 'ReturnHandlerTest' });
  const soql = `SELECT Status, MethodsFailed FROM ApexTestRunResult WHERE AsyncApexJobId = '${job}'`;
  const done = await later(async () => (await conn.tooling.query(soql)).records.find((r) => ['Completed', 'Failed'].includes(r.Status)));
  assert.equal(done.MethodsFailed, 1); // as seeded
});
await check('REST deploy: validate, then quick', async () => {
  const { id } = await conn.metadata.deployRest(await classZip(), { singlePackage: true, checkOnly: true, runTests: ['WarrantyClaimsTest'], testLevel: 'RunSpecifiedTests' });
  const state = (id) => later(async () => { const { deployResult } = await conn.request(`/metadata/deployRequest/${id}?includeDetails=true`); return deployResult.done && deployResult; });
  assert.equal((await state(id)).status, 'Succeeded');
  assert.equal((await state(await conn.metadata.deployRecentValidation({ id, rest: true }))).status, 'Succeeded');
});
await check('reports and dashboards', async () => {
  const { Id } = (await conn.query("SELECT Id FROM Report WHERE Name = 'Cases by Reason and Status'")).records[0];
  const report = conn.analytics.report(Id);
  assert.ok((await report.describe()).reportMetadata);
  assert.ok((await report.execute({ details: true })).factMap['T!T']);
  const instance = await report.executeAsync();
  await later(async () => (await report.instance(instance.id).retrieve()).attributes.status === 'Success');
  assert.ok((await conn.analytics.dashboards()).length >= 0);
});
await check('rules, approvals, quick actions', async () => {
  assert.ok(Object.keys(await conn.process.rule.list()).length > 0);
  assert.ok(Object.keys(await conn.process.approval.list()).length > 0);
  const deal = await conn.sobject('Opportunity').create({ Name: 'o', StageName: 'Prospecting', CloseDate: '2030-01-01', Amount: 30000, Discount__c: 12 });
  assert.equal((await conn.process.approval.submit(deal.id, 'please')).instanceStatus, 'Pending');
  const account = await conn.sobject('Account').create({ Name: 'Q' });
  assert.ok((await conn.quickAction('LogACall').execute(account.id, { Subject: 'Called' })).success);
});
await check('SOAP: convertLead, readMetadata', async () => {
  const lead = await conn.sobject('Lead').create({ LastName: 'Convert', Company: 'JS' });
  const status = (await conn.query('SELECT MasterLabel FROM LeadStatus WHERE IsConverted = true')).records[0].MasterLabel;
  assert.ok((await conn.soap.convertLead({ leadId: lead.id, convertedStatus: status })).success);
  assert.equal((await conn.metadata.read('CustomField', 'Account.Tier__c')).fullName, 'Account.Tier__c');
});
// A person's login: the pages are sent as a browser sends them.
await check('login of a person', async () => {
  const oauth2 = new jsforce.OAuth2({ loginUrl: org.org, clientId: org.client_id, clientSecret: org.client_secret, redirectUri: org.callback_urls.split(' ')[0], useVerifier: true });
  let page = await (await fetch(oauth2.getAuthorizationUrl({ scope: 'api refresh_token openid', state: 'a b&c' }))).text();
  let back;
  for (const form of [{ username: 'sam.okafor@alderridge.example', password: org.password }, { decision: 'allow' }]) {
    const login = /name="login" value="([^"]+)"/.exec(page)[1];
    const answer = await fetch(org.org + '/services/oauth2/authorize', { method: 'POST', redirect: 'manual', body: new URLSearchParams({ login, ...form }) });
    back = answer.headers.get('location');
    page = await answer.text();
  }
  const query = new URL(back).searchParams;
  assert.equal(query.get('state'), 'a b&c');
  const person = new jsforce.Connection({ oauth2, version: '62.0' });
  await person.authorize(query.get('code'));
  assert.equal((await person.identity()).username, 'sam.okafor@alderridge.example');
  const before = person.refreshToken;
  await person.oauth2.revokeToken(person.accessToken);
  let renewed;
  person.on('refresh', (token, answer) => (renewed = answer));
  const { id } = await person.sobject('Account').create({ Name: 'By a person' });
  assert.notEqual(renewed.refresh_token, before); // the app rotates them
  assert.equal((await person.sobject('Account').retrieve(id)).CreatedById, person.userInfo.id);
  await person.oauth2.revokeToken(renewed.refresh_token);
  await assert.rejects(() => person.oauth2.refreshToken(renewed.refresh_token), /expired access\/refresh token/);
});

process.exitCode = failed ? 1 : 0;

// classZip is a package of one class: a zip without compression.
async function classZip() {
  const files = {
    'package.xml': '<Package xmlns="http://soap.sforce.com/2006/04/metadata"><types><members>*</members><name>ApexClass</name></types><version>62.0</version></Package>',
    'classes/Mdapi.cls': 'public class Mdapi {}',
    'classes/Mdapi.cls-meta.xml': '<ApexClass xmlns="http://soap.sforce.com/2006/04/metadata"><apiVersion>62.0</apiVersion><status>Active</status></ApexClass>',
  };
  const { crc32 } = await import('zlib');
  const local = [], central = [];
  let at = 0;
  for (const [name, text] of Object.entries(files)) {
    const body = Buffer.from(text), path = Buffer.from(name);
    const head = Buffer.alloc(26);
    head.writeUInt16LE(20, 0);
    head.writeUInt32LE(crc32(body), 10);
    head.writeUInt32LE(body.length, 14);
    head.writeUInt32LE(body.length, 18);
    head.writeUInt16LE(path.length, 22);
    local.push(Buffer.from('PK\x03\x04'), head, path, body);
    const end = Buffer.alloc(14);
    end.writeUInt32LE(at, 10);
    central.push(Buffer.from('PK\x01\x02\x14\x00'), head, end, path);
    at += 30 + path.length + body.length;
  }
  const index = Buffer.concat(central), tail = Buffer.alloc(18);
  tail.writeUInt16LE(3, 4);
  tail.writeUInt16LE(3, 6);
  tail.writeUInt32LE(index.length, 8);
  tail.writeUInt32LE(at, 12);
  return Buffer.concat([...local, index, Buffer.from('PK\x05\x06'), tail]);
}
