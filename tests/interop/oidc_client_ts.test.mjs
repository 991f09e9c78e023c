// oidc-client-ts (npm), as shipped, in a single-page application in a real browser. The
// application is on another site than the provider, so that CORS and cookies are what they are
// in the wild.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { launchChromium } from './support/chromium.mjs';
import { Provider } from './support/provider.mjs';
import { serveApplication } from './support/single_page_app.mjs';

const alice = { email: 'alice@example.com', name: 'Alice Liddell', password: 'down the rabbit hole 1865' };

let provider;
let application;
let origin;
let browser;

before(async () => {
  application = await serveApplication();
  origin = `http://127.0.0.1:${application.address().port}`;
  provider = await Provider.start();
  await provider.addUser(alice);
  await provider.addClient('spa', '--name', 'Single-page application', '--public',
    '--redirect-uri', `${origin}/callback`, '--post-logout-redirect-uri', `${origin}/signed-out`, '--origin', origin);
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await provider?.stop();
  application?.close();
});

describe('a single-page application', () => {
  let context;
  let page;
  let complaints;
  let answers;

  beforeEach(async () => {
    context = await browser.newContext();
    page = await context.newPage();
    complaints = [];
    answers = [];
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('response', (response) => response.request().resourceType() === 'fetch' && answers.push(response));
    await page.goto(`${origin}/?${new URLSearchParams({ authority: provider.issuer, client_id: 'spa' })}`);
  });
  afterEach(() => context.close());

  const arrival = (prefix) => page.waitForURL(({ href }) => href.startsWith(prefix));

  /** Runs code of the application that navigates away, and waits until the browser is at `destination`. */
  async function leave(code, destination) {
    await Promise.all([arrival(destination), page.evaluate(code).catch(() => {})]);
  }

  async function signIn() {
    await leave('manager.signinRedirect()', `${provider.issuer}/`);
    await page.fill('input[name=username]', alice.email);
    await page.fill('input[name=password]', alice.password);
    await page.press('input[name=password]', 'Enter');
    await page.click('button[name=approve]');
    await arrival(`${origin}/callback?`);
    return page.evaluate('manager.signinCallback()');
  }

  /** The answer of a provider's endpoint that the application read, with the CORS headers that let it. */
  function assertReadable(path) {
    const seen = answers.filter((answer) => answer.url() === `${provider.issuer}${path}`);
    assert.ok(seen.length > 0, `${path} was asked`);
    for (const answer of seen) {
      const headers = answer.headers();
      assert.equal(headers['access-control-allow-origin'], origin, path);
      assert.equal(headers['access-control-allow-credentials'], undefined, path);
    }
  }

  test('signs in, renews silently with its refresh token, and signs out', async () => {
    const user = await signIn();
    assert.equal(user.profile.iss, provider.issuer);
    assert.equal(user.profile.email, alice.email, 'read from userinfo');
    assert.equal(user.profile.name, alice.name);
    assertReadable('/token');
    assertReadable('/userinfo');

    const renewed = await page.evaluate('manager.signinSilent()');
    assert.equal(renewed.profile.sub, user.profile.sub);
    assert.notEqual(renewed.access_token, user.access_token);
    assert.notEqual(renewed.refresh_token, user.refresh_token);
    assert.equal(await page.evaluate('document.querySelector("iframe")'), null, 'by the token, not by a frame');
    assert.deepEqual(complaints, []);

    await leave('manager.signoutRedirect({ state: "back" })', `${origin}/signed-out?`);
    const signedOut = await page.evaluate('manager.signoutCallback()');
    assert.equal(signedOut.userState, 'back');

    await leave('manager.signinRedirect({ prompt: "none" })', `${origin}/callback?`);
    const refusal = await page.evaluate('manager.signinCallback().catch((error) => ({ error: error.error }))');
    assert.equal(refusal.error, 'login_required');

    // The refusal of a refresh token is an answer that the application may read, too.
    const answer = await page.evaluate(async ({ issuer, token }) => {
      const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token, client_id: 'spa' });
      const response = await fetch(`${issuer}/token`, { method: 'POST', body });
      return { status: response.status, ...(await response.json()) };
    }, { issuer: provider.issuer, token: renewed.refresh_token });
    assert.equal(answer.status, 400);
    assert.equal(answer.error, 'invalid_grant');
  });

  test('gives its tokens back', async () => {
    const user = await signIn();
    await page.evaluate('manager.revokeTokens(["access_token", "refresh_token"])');
    assertReadable('/revoke');
    assert.deepEqual(complaints, []);

    const status = await page.evaluate(async ({ issuer, token }) => {
      const response = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
      return response.status;
    }, { issuer: provider.issuer, token: user.access_token });
    assert.equal(status, 401);
  });

  test('cannot be read by a page of another origin', async () => {
    const user = await signIn();
    const stranger = await context.newPage();
    await stranger.goto(`http://localhost:${application.address().port}/elsewhere`);
    const outcome = await stranger.evaluate(async ({ issuer, token }) => {
      try {
        const response = await fetch(`${issuer}/userinfo`, { headers: { authorization: `Bearer ${token}` } });
        return response.status;
      } catch (error) {
        return error.name;
      }
    }, { issuer: provider.issuer, token: user.access_token });
    assert.equal(outcome, 'TypeError');
  });
});
