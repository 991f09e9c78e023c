// Back-channel logout: an app with a server (openid-client and jose from npm, as shipped) hears when a sign-in is over, and ends its own
// session.

import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';

import * as client from 'openid-client';

import { launchChromium } from './support/chromium.mjs';
import { discover } from './support/openid_client.mjs';
import { Provider } from './support/provider.mjs';
import { RelyingParty } from './support/relying_party.mjs';

const alice = { email: 'alice@example.com', name: 'Alice Liddell', password: 'down the rabbit hole 1865' };

let provider;
let browser;
const parties = {};

before(async () => {
  provider = await Provider.start({ COUNTERSIGN_KEYS__ALGORITHMS: 'RS256,ES256' });
  await provider.addUser(alice);
  await addParty('journal');
  // It knows people and their sessions by names of its own.
  await addParty('shop', '--subject-type', 'pairwise', '--id-token-alg', 'ES256');
  browser = await launchChromium();
});
after(async () => {
  await browser?.close();
  await provider?.stop();
  for (const party of Object.values(parties)) party.stop();
});

async function addParty(id, ...options) {
  const party = await RelyingParty.start();
  parties[id] = party;
  const secret = await provider.addClient(id, '--redirect-uri', party.redirectUri, '--backchannel-logout-uri', party.logoutUri, ...options);
  const metadata = options.includes('ES256') ? { id_token_signed_response_alg: 'ES256' } : {};
  party.use(await discover(provider, id, client.ClientSecretBasic(secret), metadata));
  return party;
}

describe('the server of an app', () => {
  beforeEach(() => {
    for (const party of Object.values(parties)) {
      party.sessions.clear();
      party.complaints.length = 0;
    }
  });

  /** A browser of its own that is signed in to these apps. */
  async function signIn(...apps) {
    const context = await browser.newContext();
    const page = await context.newPage();
    for (const { url } of apps) {
      await page.goto(`${url}/sign-in`);
      if (await page.locator('input[name=password]').isVisible()) {
        await page.fill('input[name=username]', alice.email);
        await page.fill('input[name=password]', alice.password);
        await page.press('input[name=password]', 'Enter');
      }
      const approve = page.locator('button[name=approve]');
      const arrived = page.getByRole('heading', { name: 'Signed in' });
      await approve.or(arrived).waitFor();
      if (await approve.isVisible()) await approve.click();
      await arrived.waitFor();
    }
    return page;
  }

  async function signOut(page) {
    await page.goto(`${provider.issuer}/logout`);
    await page.click('button[name=confirm]');
    await page.waitForURL(`${provider.issuer}/signed-out`);
  }

  async function assertSees(page, party, words) {
    await page.goto(`${party.url}/`);
    assert.equal(await page.textContent('h1'), words);
  }

  const claimsOf = (party) => [...party.sessions.values()].map(({ claims }) => claims);

  test('hears of a sign-out in the browser, each by the session and the person it knows', async () => {
    const { journal, shop } = parties;
    const page = await signIn(journal, shop);
    const [[here], [there]] = [claimsOf(journal), claimsOf(shop)];
    assert.notEqual(here.sid, there.sid);
    assert.notEqual(here.sub, there.sub);

    const hearing = Promise.all([journal.hears(here.sid), shop.hears(there.sid)]);
    await signOut(page);
    const heard = await hearing;
    assert.deepEqual(heard.map(({ sub }) => sub), [here.sub, there.sub]);
    for (const party of [journal, shop]) {
      assert.deepEqual(party.complaints, []);
      await assertSees(page, party, 'Signed out');
    }
  });

  test('keeps the sessions of other browsers', async () => {
    const { journal } = parties;
    const [one, other] = [await signIn(journal), await signIn(journal)];
    const hearing = journal.hears(claimsOf(journal)[0].sid);
    await signOut(one);
    await hearing;
    await assertSees(one, journal, 'Signed out');
    await assertSees(other, journal, 'Signed in');
  });

  test('hears that the person was disabled', async () => {
    const { journal } = parties;
    const page = await signIn(journal);
    const [{ sid }] = claimsOf(journal);
    const hearing = journal.hears(sid);
    await provider.run(['user', 'disable', alice.email]);
    await hearing;
    await assertSees(page, journal, 'Signed out');
    assert.deepEqual(journal.complaints, []);
    await provider.run(['user', 'enable', alice.email]);
  });
});
