// The journal with the access tokens of another provider than Countersign: what is checked is RFC 9068, and nothing of our own.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';

import { CompactEncrypt, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair } from 'jose';
import * as client from 'openid-client';

import { Journal } from './support/journal.mjs';
import { Person } from './support/person.mjs';
import { freePort } from './support/provider.mjs';
import { SecondIssuer } from './support/second_issuer.mjs';

const redirectUri = 'https://app.example/callback';
const scope = 'journal.read journal.write';
const another = 'https://another.example';
// The journal asks for new keys at most once in ten seconds.
const refreshSeconds = 20;

let issuer;
let journal;
let app;

before(async () => {
  const port = await freePort();
  issuer = await SecondIssuer.start({ audiences: [`http://localhost:${port}`, another], scope, redirectUri });
  journal = await Journal.start({ issuer: issuer.url, port });
  app = await discover('app');
});
after(async () => {
  await journal?.stop();
  await issuer?.stop();
});

function discover(id) {
  return client.discovery(new URL(issuer.url), id, {}, client.ClientSecretBasic(`secret of the ${id}`), {
    execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks],
  });
}

/** Signs the person in and returns the tokens of the app: for the journal, if nothing else is said. */
async function signIn({ resource = journal.url, DPoP } = {}) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = client.buildAuthorizationUrl(app, {
    redirect_uri: redirectUri,
    scope: `openid ${scope}`,
    resource,
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
  });
  const callback = (await new Person({}).open(url, { returnTo: redirectUri })).url;
  const checks = { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true };
  return client.authorizationCodeGrant(app, callback, checks, { resource }, { DPoP });
}

/** Asks the journal for the entries, with these headers: `{ status, error, challenge }`. */
async function list(headers) {
  const answer = await fetch(`${journal.url}/entries`, { headers });
  const { error } = await answer.json();
  return { status: answer.status, error, challenge: answer.headers.get('www-authenticate') ?? '' };
}

const bearer = (token) => list({ authorization: `Bearer ${token}` });

async function assertAccepted(token) {
  assert.deepEqual(await bearer(token), { status: 200, error: undefined, challenge: '' });
}

async function assertRefused(token) {
  const { status, error, challenge } = await bearer(token);
  assert.deepEqual([status, error], [401, 'invalid_token']);
  assert.match(challenge, /^(Bearer|DPoP) error="invalid_token"/);
}

describe('a bearer token', () => {
  let tokens;

  before(async () => {
    tokens = await signIn();
  });

  test('of a person is accepted, and has nothing of Countersign in it', async () => {
    assert.equal(decodeProtectedHeader(tokens.access_token).typ, 'at+jwt');
    const claims = ['aud', 'client_id', 'exp', 'iat', 'iss', 'jti', 'scope', 'sub'];
    assert.deepEqual(Object.keys(decodeJwt(tokens.access_token)).sort(), claims);
    await assertAccepted(tokens.access_token);
  });

  test('lets its person write an entry and read it again', async () => {
    const id = crypto.randomUUID();
    const body = await new CompactEncrypt(new TextEncoder().encode('{}'))
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'journal-entry', entry: id, revision: 1 })
      .encrypt(crypto.getRandomValues(new Uint8Array(32)));
    const headers = new Headers({ 'content-type': 'application/json' });
    const ask = (...request) => client.fetchProtectedResource(app, tokens.access_token, ...request);
    const written = await ask(new URL('/entries', journal.url), 'POST', JSON.stringify({ body }), headers);
    assert.equal(written.status, 201);
    const read = await ask(new URL(written.headers.get('location'), journal.url), 'GET');
    assert.deepEqual(await read.json(), { id, revision: 1, body });
  });

  test('for another API is refused', async () => {
    const { access_token: token } = await signIn({ resource: another });
    assert.equal(decodeJwt(token).aud, another);
    await assertRefused(token);
  });

  test('that is an ID token is refused', () => assertRefused(tokens.id_token));

  test('is what the issuer signed, for as long as it says', async () => {
    const claims = decodeJwt(tokens.access_token);
    await assertAccepted(await issuer.sign(claims));
    // Longer ago than the clocks may differ.
    await assertRefused(await issuer.sign({ ...claims, iat: claims.iat - 600, exp: claims.iat - 60 }));
    await assertRefused(await issuer.sign({ ...claims, iss: 'http://localhost:1' }));
    await assertRefused(await issuer.sign(claims, { typ: 'JWT' }));
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    await assertRefused(await issuer.sign(claims, { key: await exportJWK(privateKey) }));
  });

  test('of a client on its own behalf is no person', async () => {
    const robot = await discover('robot');
    const { access_token: token } = await client.clientCredentialsGrant(robot, { scope, resource: journal.url });
    assert.equal(decodeJwt(token).sub, 'robot');
    const { status, error } = await bearer(token);
    assert.deepEqual([status, error], [403, 'access_denied']);
  });
});

describe('a token that is bound to a key (DPoP)', () => {
  test('is accepted with a proof of it, and not without', async () => {
    const DPoP = client.getDPoPHandle(app, await client.randomDPoPKeyPair());
    const { access_token: token, token_type: type } = await signIn({ DPoP });
    assert.equal(type, 'dpop');
    assert.ok(decodeJwt(token).cnf.jkt);
    for (const round of [1, 2]) {
      const answer = await client.fetchProtectedResource(app, token, new URL('/entries', journal.url), 'GET', null, undefined, { DPoP });
      assert.equal(answer.status, 200, `round ${round}`);
    }
    await assertRefused(token);
    const { status, error, challenge } = await list({ authorization: `DPoP ${token}` });
    assert.deepEqual([status, error], [401, 'invalid_dpop_proof']);
    assert.match(challenge, /^DPoP error="invalid_dpop_proof".*algs="[^"]*ES256/);

    const stranger = client.getDPoPHandle(app, await client.randomDPoPKeyPair());
    await assert.rejects(
      client.fetchProtectedResource(app, token, new URL('/entries', journal.url), 'GET', null, undefined, { DPoP: stranger }),
      { name: 'WWWAuthenticateChallengeError', status: 401 },
    );
  });
});

describe('when the issuer has another key', () => {
  test('its new tokens are accepted, and those of the key that is gone are not', async () => {
    const { access_token: old } = await signIn();
    await assertAccepted(old);
    await issuer.rotateKey();
    app = await discover('app');
    const { access_token: token } = await signIn();
    assert.notEqual(decodeProtectedHeader(token).kid, decodeProtectedHeader(old).kid);

    const deadline = Date.now() + refreshSeconds * 1000;
    while ((await bearer(token)).status !== 200 && Date.now() < deadline) await delay(250);
    await assertAccepted(token);
    await assertRefused(old);
  });
});
