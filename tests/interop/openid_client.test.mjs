// openid-client (npm), as shipped: confidential, public and key-holding clients, and machines.

import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';

import * as client from 'openid-client';

import { authorize as visit, discover as atProvider } from './support/openid_client.mjs';
import { Person } from './support/person.mjs';
import { Provider } from './support/provider.mjs';

const redirectUri = 'https://app.example/callback';
const signedOutUri = 'https://app.example/signed-out';
const webApp = ['--redirect-uri', redirectUri, '--post-logout-redirect-uri', signedOutUri];

let provider;
let alice;

before(async () => {
  provider = await Provider.start();
  alice = await provider.addUser({ email: 'alice@example.com', name: 'Alice Liddell', password: 'down the rabbit hole 1865' });
});
after(() => provider?.stop());

const discover = (id, authentication) => atProvider(provider, id, authentication);
const authorize = (config, person, parameters, decision) => visit(config, person, { redirect_uri: redirectUri, ...parameters }, { decision });

async function signIn(config, person, parameters) {
  const { callback, checks } = await authorize(config, person, parameters);
  return client.authorizationCodeGrant(config, callback, checks);
}

/** RP-initiated logout; the browser must come back with exactly our state and nothing else. */
async function signOut(config, person, idToken) {
  const state = client.randomState();
  const url = client.buildEndSessionUrl(config, { id_token_hint: idToken, post_logout_redirect_uri: signedOutUri, state });
  const seen = await person.visit(url, { returnTo: signedOutUri });
  assert.deepEqual(seen.pages, [], 'a valid hint for the session of this browser needs no question');
  assert.equal(seen.url.href, `${signedOutUri}?state=${state}`);
}

const refused = (error) => ({ name: 'ResponseBodyError', error, status: error === 'invalid_client' ? 401 : 400 });

async function assertSignedOut(config, person) {
  const { callback, pages, checks } = await authorize(config, person, { prompt: 'none' });
  assert.deepEqual(pages, []);
  await assert.rejects(client.authorizationCodeGrant(config, callback, checks), { error: 'login_required' });
}

describe('a web application (client_secret_basic)', () => {
  let config;

  before(async () => {
    const secret = await provider.addClient('web', '--name', 'Web application', ...webApp);
    config = await discover('web', client.ClientSecretBasic(secret));
  });

  test('finds everything it needs in discovery', () => {
    const metadata = config.serverMetadata();
    assert.equal(metadata.issuer, provider.issuer);
    assert.ok(metadata.supportsPKCE());
    for (const name of ['authorization', 'token', 'userinfo', 'introspection', 'revocation', 'end_session']) {
      assert.ok(metadata[`${name}_endpoint`].startsWith(`${provider.issuer}/`), name);
    }
    assert.equal(metadata.authorization_response_iss_parameter_supported, true);
  });

  test('signs in, reads userinfo, refreshes and signs out', async () => {
    const person = new Person(alice);
    const { callback, pages, checks } = await authorize(config, person);
    assert.deepEqual(pages, ['login', 'consent']);
    const tokens = await client.authorizationCodeGrant(config, callback, checks);
    const claims = tokens.claims();
    assert.equal(claims.iss, provider.issuer);
    assert.equal(claims.aud, 'web');

    const info = await client.fetchUserInfo(config, tokens.access_token, claims.sub);
    assert.equal(info.email, 'alice@example.com');
    assert.equal(info.name, 'Alice Liddell');

    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal(refreshed.claims().sub, claims.sub);
    assert.equal(refreshed.claims().auth_time, claims.auth_time);
    await client.fetchUserInfo(config, refreshed.access_token, claims.sub);

    await signOut(config, person, refreshed.id_token);
    // Without offline_access, what came from this session ended with it.
    await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token ?? tokens.refresh_token), refused('invalid_grant'));
    await assert.rejects(client.fetchUserInfo(config, refreshed.access_token, claims.sub));
    await assertSignedOut(config, person);
  });

  test('signs in again without a question while the session lives', async () => {
    const person = new Person(alice);
    const first = await signIn(config, person);
    const { callback, pages, checks } = await authorize(config, person, { prompt: 'none' });
    assert.deepEqual(pages, []);
    const second = await client.authorizationCodeGrant(config, callback, checks);
    assert.equal(second.claims().sub, first.claims().sub);
    assert.equal(second.claims().auth_time, first.claims().auth_time);
  });

  test('has the person prove themselves again with max_age', async () => {
    const person = new Person(alice);
    await signIn(config, person);
    const { callback, pages, checks } = await authorize(config, person, { max_age: '0' });
    assert.deepEqual(pages, ['login']);
    await client.authorizationCodeGrant(config, callback, { ...checks, maxAge: 60 });
  });

  test('is told that the person declined', async () => {
    const person = new Person(alice);
    const { callback, checks } = await authorize(config, person, { prompt: 'consent' }, 'deny');
    await assert.rejects(client.authorizationCodeGrant(config, callback, checks), { error: 'access_denied' });
  });

  test('loses everything when a code is used twice', async () => {
    const { callback, checks } = await authorize(config, new Person(alice));
    const tokens = await client.authorizationCodeGrant(config, callback, checks);
    await assert.rejects(client.authorizationCodeGrant(config, callback, checks), refused('invalid_grant'));
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), refused('invalid_grant'));
    await assert.rejects(client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub));
  });

  test('is refused with a wrong secret', async () => {
    const wrong = await discover('web', client.ClientSecretBasic('not the secret'));
    await assert.rejects(client.clientCredentialsGrant(wrong), (error) => {
      // openid-client reports a 401 with WWW-Authenticate as the challenge it is.
      assert.equal(error.status, 401);
      assert.ok(error.name === 'WWWAuthenticateChallengeError' || error.error === 'invalid_client', error.name);
      return true;
    });
  });
});

describe('client_secret_post', () => {
  test('signs in, keeps offline access after logout, and gives it back', async () => {
    const secret = await provider.addClient('post', '--auth-method', 'client_secret_post', ...webApp);
    const config = await discover('post', client.ClientSecretPost(secret));
    const person = new Person(alice);
    const tokens = await signIn(config, person, { scope: 'openid offline_access', prompt: 'consent' });

    await signOut(config, person, tokens.id_token);
    await assertSignedOut(config, person);
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.equal((await client.tokenIntrospection(config, refreshed.access_token)).active, true);

    await client.tokenRevocation(config, refreshed.refresh_token);
    assert.deepEqual(await client.tokenIntrospection(config, refreshed.access_token), { active: false });
    await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), refused('invalid_grant'));
  });
});

describe('a public client', () => {
  test('rotates its refresh token, and a stolen old one ends the family', async () => {
    await provider.addClient('native', '--public', ...webApp);
    const config = await discover('native', client.None());
    const tokens = await signIn(config, new Person(alice));
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
    assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
    await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), refused('invalid_grant'));
    await assert.rejects(client.refreshTokenGrant(config, refreshed.refresh_token), refused('invalid_grant'));
    await assert.rejects(client.fetchUserInfo(config, refreshed.access_token, tokens.claims().sub));
  });
});

describe('private_key_jwt', () => {
  for (const [name, algorithm] of Object.entries({
    RS256: { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' },
    ES256: { name: 'ECDSA', namedCurve: 'P-256' },
  })) {
    test(`signs in with ${name}, refreshes without rotation, reads userinfo and signs out`, async () => {
      const { privateKey, publicKey } = await crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
      const { ext, key_ops, ...jwk } = await crypto.subtle.exportKey('jwk', publicKey);
      const jwks = join(provider.folder, `${name}.json`);
      await writeFile(jwks, JSON.stringify({ keys: [{ ...jwk, kid: name, use: 'sig', alg: name }] }));
      const id = `key-${name.toLowerCase()}`;
      await provider.addClient(id, '--auth-method', 'private_key_jwt', '--jwks', jwks, ...webApp);

      const config = await discover(id, client.PrivateKeyJwt({ key: privateKey, kid: name }));
      const person = new Person(alice);
      const tokens = await signIn(config, person);
      for (const round of [1, 2]) {
        const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
        await client.fetchUserInfo(config, refreshed.access_token, tokens.claims().sub);
        assert.ok([undefined, tokens.refresh_token].includes(refreshed.refresh_token), `round ${round}`);
      }
      await signOut(config, person, tokens.id_token);
      await assert.rejects(client.refreshTokenGrant(config, tokens.refresh_token), refused('invalid_grant'));
      await assertSignedOut(config, person);
    });
  }
});

describe('client_credentials', () => {
  const api = 'https://journal.example/';
  let config;

  before(async () => {
    await provider.run(['api', 'add', api, '--scope', 'journal.read=Read your journal', '--scope', 'journal.write=Write in your journal']);
    const secret = await provider.addClient('robot', '--grant', 'client_credentials', '--scope', 'journal.read');
    config = await discover('robot', client.ClientSecretBasic(secret));
  });

  test('a machine gets a token, introspects it and revokes it', async () => {
    const tokens = await client.clientCredentialsGrant(config, { scope: 'journal.read' });
    assert.equal(tokens.token_type, 'bearer');
    assert.equal(tokens.refresh_token, undefined);
    assert.equal(tokens.id_token, undefined);

    const seen = await client.tokenIntrospection(config, tokens.access_token);
    assert.equal(seen.active, true);
    assert.equal(seen.client_id, 'robot');
    assert.equal(seen.scope, 'journal.read');
    assert.deepEqual([seen.aud].flat(), [api]);
    assert.equal(seen.iss, provider.issuer);

    await client.tokenRevocation(config, tokens.access_token);
    assert.deepEqual(await client.tokenIntrospection(config, tokens.access_token), { active: false });
  });

  test('a scope that was not registered is refused', async () => {
    await assert.rejects(client.clientCredentialsGrant(config, { scope: 'journal.write' }), refused('invalid_scope'));
  });

  test('a stranger learns nothing about the token', async () => {
    const { access_token: token } = await client.clientCredentialsGrant(config, { scope: 'journal.read' });
    const secret = await provider.addClient('stranger', '--grant', 'client_credentials');
    const stranger = await discover('stranger', client.ClientSecretBasic(secret));
    assert.deepEqual(await client.tokenIntrospection(stranger, token), { active: false });
  });
});
