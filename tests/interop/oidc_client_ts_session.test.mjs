// oidc-client-ts (npm), as shipped, that watches the session at the provider (Session Management 1.0) in a real browser. The application is
// on the provider's own site, on another port: browsers keep the cookies of other sites from frames.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { launchChromium } from './support/chromium.mjs';
import { Provider } from './support/provider.mjs';
import { serveApplication } from './support/single_page_app.mjs';

const alice = { email: 'alice@example.com', name: 'Alice Liddell', password: 'down the rabbit hole 1865' };
const eve = { email: 'eve@example.com', name: 'Eve', password: 'an apple a day 1667' };

let provider;
let application;
let origin;
let browser;
let secret;

before(async () => {
  application = await serveApplication();
  origin = `http://localhost:${application.address().port}`;
  provider = await Provider.start();
  await provider.addUser(alice);
  await provider.addUser(eve);
  const uris = ['--redirect-uri', `${origin}/callback`, '--redirect-uri', `${origin}/silent`];
  await provider.addClient('spa', '--public', ...uris);
  // People are asked each time whether a public client on their own machine may sign them in (RFC 8252, section 8.6), so it learns nothing
  // without a question. One with a secret is spared that, as one on a web site is.
  secret = await provider.addClient('remembered', '--auth-method', 'client_secret_post', ...uris);
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await provider?.stop();
  application?.close();
});

describe('a single-page application that watches the session', () => {
  let context;
  let page;
  let tab;
  let complaints;

  beforeEach(async () => {
    context = await browser.newContext();
    page = await context.newPage();
    tab = await context.newPage();
    complaints = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
  });
  afterEach(() => context.close());

  async function fillIn(at, person) {
    await at.fill('input[name=username]', person.email);
    await at.fill('input[name=password]', person.password);
    await at.press('input[name=password]', 'Enter');
  }

  /** Signs in to the application; it has seen then that the session is as it was. */
  async function signIn(client) {
    await page.goto(`${origin}/?${new URLSearchParams({ authority: provider.issuer, monitor: 'yes', ...client })}`);
    await Promise.all([page.waitForURL(`${provider.issuer}/**`), page.evaluate('manager.signinRedirect()').catch(() => {})]);
    await fillIn(page, alice);
    await page.click('button[name=approve]');
    await page.waitForURL(`${origin}/callback?**`);
    const user = await page.evaluate('manager.signinCallback()');
    assert.ok(user.session_state);
    await staysAsItIs();
    return user;
  }

  /** The frame says twice from now on that nothing changed. */
  async function staysAsItIs() {
    const before = await page.evaluate('answers.length');
    await page.waitForFunction((before) => answers.slice(before).filter((answer) => answer === 'unchanged').length >= 2, before);
  }

  /** The person signs out at the provider, in another tab. */
  async function signOut() {
    await tab.goto(`${provider.issuer}/logout`);
    await tab.click('button[name=confirm]');
    await tab.waitForURL(`${provider.issuer}/signed-out`);
  }

  /** Somebody signs in at the provider, in another tab. */
  async function signInElsewhere(person) {
    await tab.goto(`${provider.issuer}/login`);
    await fillIn(tab, person);
    await tab.waitForURL(`${provider.issuer}/`);
  }

  const events = () => page.evaluate('events');
  const hears = (count) => page.waitForFunction((count) => events.length >= count, count);

  test('hears that the person signed out in another tab', async () => {
    await signIn({ client_id: 'spa' });
    assert.deepEqual(await events(), []);
    await signOut();
    await hears(1);
    assert.deepEqual(await events(), ['UserSignedOut']);
    assert.deepEqual(complaints, []);
  });

  test('tells a new session of the same person from that of somebody else', async () => {
    await signIn({ client_id: 'remembered', client_secret: secret });
    // The library hears of the end at once, and then asks who is signed in: that waits until she has signed in again.
    const askedAgain = new Promise((resolve) => {
      page.route(`${provider.issuer}/authorize?**`, (route) => resolve(route), { times: 1 });
    });
    await signOut();
    const request = await askedAgain;
    await signInElsewhere(alice);
    await request.continue();
    await hears(1);
    assert.deepEqual(await events(), ['UserSessionChanged']);
    // From here it watches the new one.
    await staysAsItIs();

    await signInElsewhere(eve);
    await hears(2);
    assert.deepEqual(await events(), ['UserSessionChanged', 'UserSignedOut']);
    assert.deepEqual(complaints, []);
  });
});
