// One person and two devices, from the first mail to the last sign-out, as an app sees them.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import * as client from 'openid-client';

import { Authenticator } from './support/authenticator.mjs';
import { Person } from './support/person.mjs';
import { Provider } from './support/provider.mjs';

const redirectUri = 'https://app.example/callback';
const carol = { username: 'carol@example.com', password: 'seventeen lilac umbrellas' };
const mfa = 'urn:countersign:acr:mfa';

let provider;
let config;

before(async () => {
  provider = await Provider.start({ COUNTERSIGN_SIGNUP__MODE: 'open' });
  const secret = await provider.addClient('web', '--name', 'Web application', '--first-party', '--redirect-uri', redirectUri,
    ...['openid', 'email', 'profile', 'offline_access'].flatMap((scope) => ['--scope', scope]));
  config = await client.discovery(new URL(provider.issuer), 'web', {}, client.ClientSecretBasic(secret), {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  });
});
after(() => provider?.stop());

/** An authorization request, and what is needed to redeem its answer. */
async function request(parameters) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: redirectUri,
    scope: 'openid email profile offline_access',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
    ...parameters,
  });
  return { url, redeem: (callback) => client.authorizationCodeGrant(config, callback, { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true }) };
}

test('sign up, confirm the mail, add a second factor, sign in elsewhere, end the first device', async () => {
  const [laptop, phone] = [new Person(carol), new Person(carol)];
  const returnTo = redirectUri;

  // The app asks for a new account; the link of the mail goes on with the app's request.
  const first = await request({ prompt: 'create' });
  await laptop.fillIn(await laptop.open(first.url), { email: carol.username });
  const { text } = await provider.mail(carol.username);
  const link = text.match(/http\S+\/link\?t=\S+/)[0];
  const back = await laptop.fillIn(await laptop.open(link), { name: 'Carol Danvers', password: carol.password }, { returnTo });
  assert.ok(back.returned, `the app gets its answer, not ${back.url}`);
  const ofLaptop = await first.redeem(back.url);
  const { sub } = ofLaptop.claims();
  const info = await client.fetchUserInfo(config, ofLaptop.access_token, sub);
  assert.equal(info.email, carol.username);
  assert.equal(info.email_verified, true);
  assert.equal(info.name, 'Carol Danvers');
  const spent = await phone.open(link);
  assert.equal(spent.status, 410, 'a link is good once');

  // A second factor, confirmed by its first code.
  const offer = await laptop.open(`${provider.issuer}/account/second-factor`);
  const authenticator = new Authenticator(offer.html.match(/<code class="key">([^<]+)</)[1]);
  const codes = await laptop.fillIn(offer, { code: authenticator.code() });
  assert.equal(codes.html.match(/<li><code>/g)?.length, 10, 'ten recovery codes are shown');
  await laptop.fillIn(codes, {}, { button: 'done' });

  // The phone needs both; each code is good once, so this one is of the next half minute.
  const second = await request({ acr_values: mfa });
  const asked = await phone.fillIn(await phone.open(second.url), { username: carol.username, password: carol.password });
  assert.match(asked.html, /name="code"/, 'the password alone is not enough');
  const there = await phone.fillIn(asked, { code: authenticator.code(1) }, { returnTo });
  const ofPhone = await second.redeem(there.url);
  assert.equal(ofPhone.claims().sub, sub);
  assert.equal(ofPhone.claims().acr, mfa);
  assert.deepEqual(ofPhone.claims().amr, ['pwd', 'otp', 'mfa']);

  // Everything still works on the laptop, until the phone ends it.
  const refreshed = await client.refreshTokenGrant(config, ofLaptop.refresh_token);
  assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, true);
  const sessions = await phone.open(`${provider.issuer}/account/sessions`);
  await phone.fillIn(sessions, {}, { button: `end=${ofLaptop.claims().sid}` });

  await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), { error: 'invalid_grant' });
  await assert.rejects(client.fetchUserInfo(config, refreshed.access_token, sub));
  await assert.rejects(client.fetchUserInfo(config, ofLaptop.access_token, sub));
  assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, false);
  const silent = await request({ prompt: 'none' });
  const answer = await laptop.open(silent.url, { returnTo });
  await assert.rejects(silent.redeem(answer.url), { error: 'login_required' });
  const turnedAway = await laptop.open(`${provider.issuer}/account`);
  assert.equal(new URL(turnedAway.url).pathname, '/login');

  // The phone stays signed in, and so does what it holds.
  const kept = await client.refreshTokenGrant(config, ofPhone.refresh_token);
  await client.fetchUserInfo(config, kept.access_token, sub);
  assert.equal(new URL((await phone.open(`${provider.issuer}/account`)).url).pathname, '/account');
});
