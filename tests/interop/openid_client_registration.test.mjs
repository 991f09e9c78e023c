// openid-client (npm), as shipped: clients that register themselves, and answers by other ways than the query.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import * as client from 'openid-client';

import { authorize, keyPair, register } from './support/openid_client.mjs';
import { Person } from './support/person.mjs';
import { Provider } from './support/provider.mjs';

const redirectUri = 'https://app.example/callback';
const web = { client_name: 'Web application', redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'] };

let provider;
let alice;

before(async () => {
  provider = await Provider.start({ COUNTERSIGN_REGISTRATION__MODE: 'open' });
  alice = await provider.addUser({ email: 'alice@example.com', name: 'Alice Liddell', password: 'down the rabbit hole 1865' });
});
after(() => provider?.stop());

async function signIn(config, parameters) {
  const { callback, pages, checks } = await authorize(config, new Person(alice), { redirect_uri: redirectUri, ...parameters });
  assert.deepEqual(pages, ['login', 'consent']);
  return { callback, tokens: await client.authorizationCodeGrant(config, callback, checks) };
}

describe('a client that registers itself', () => {
  test('with a secret', async () => {
    const config = await register(provider, { ...web, token_endpoint_auth_method: 'client_secret_post' });
    const { client_id: id, client_secret: secret, client_name: name } = config.clientMetadata();
    assert.ok(id && secret);
    assert.equal(name, web.client_name);

    const { tokens } = await signIn(config);
    assert.equal(tokens.claims().aud, id);
    const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
    const info = await client.fetchUserInfo(config, refreshed.access_token, tokens.claims().sub);
    assert.equal(info.email, 'alice@example.com');
  });

  test('with keys of its own', async () => {
    for (const alg of ['PS256', 'ES256']) {
      const { key, kid, jwk } = await keyPair(alg, 'sig');
      const metadata = { ...web, token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: alg, jwks: { keys: [jwk] } };
      const config = await register(provider, metadata, client.PrivateKeyJwt({ key, kid }));
      assert.equal(config.clientMetadata().client_secret, undefined);
      const { tokens } = await signIn(config);
      await client.refreshTokenGrant(config, tokens.refresh_token);
      await client.tokenRevocation(config, tokens.refresh_token);
    }
  });

  test('is told what is wrong with its metadata', async () => {
    const refused = (metadata, error) =>
      assert.rejects(register(provider, { ...web, ...metadata }), { name: 'ResponseBodyError', status: 400, error });
    await refused({ redirect_uris: ['http://app.example/callback'] }, 'invalid_redirect_uri');
    await refused({ redirect_uris: [`${redirectUri}#fragment`] }, 'invalid_redirect_uri');
    await refused({ id_token_signed_response_alg: 'none' }, 'invalid_client_metadata');
    await refused({ jwks: { keys: [] }, jwks_uri: 'https://app.example/jwks' }, 'invalid_client_metadata');
  });

  test('needs an initial access token where the operator wants one', async (t) => {
    const guarded = await Provider.start({ COUNTERSIGN_REGISTRATION__MODE: 'token' });
    t.after(() => guarded.stop());
    await assert.rejects(register(guarded, web), { status: 401 });
    const printed = await guarded.run(['client', 'registration-token', '--uses', '1']);
    const initialAccessToken = printed.token;
    const config = await register(guarded, web, undefined, { initialAccessToken });
    assert.ok(config.clientMetadata().client_id);
    await assert.rejects(register(guarded, web, undefined, { initialAccessToken }), { status: 401 });
  });
});

describe('answers', () => {
  test('in a form', async () => {
    const config = await register(provider, web, client.ClientSecretBasic());
    const { callback, tokens } = await signIn(config, { response_mode: 'form_post' });
    assert.equal(callback.url, redirectUri, 'nothing is in the query');
    assert.equal(callback.method, 'POST');
    await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
  });

  test('with a code and an ID token, which vouches for code and state', async () => {
    for (const mode of ['fragment', 'form_post']) {
      const config = await register(provider, { ...web, response_types: ['code id_token'], token_endpoint_auth_method: 'client_secret_post' });
      assert.deepEqual(config.clientMetadata().response_types, ['code id_token']);
      client.useCodeIdTokenResponseType(config);
      const { callback, tokens } = await signIn(config, { response_mode: mode });
      assert.equal(callback instanceof Request, mode === 'form_post');
      await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    }
  });

  test('with another code than the ID token vouches for are not taken', async () => {
    const config = await register(provider, { ...web, response_types: ['code id_token'], token_endpoint_auth_method: 'client_secret_post' });
    client.useCodeIdTokenResponseType(config);
    const { callback, checks } = await authorize(config, new Person(alice), { redirect_uri: redirectUri });
    const swapped = new URL(callback);
    const answer = new URLSearchParams(callback.hash.slice(1));
    answer.set('code', `${answer.get('code')}x`);
    swapped.hash = answer;
    await assert.rejects(client.authorizationCodeGrant(config, swapped, checks), ({ cause }) => /c_hash/.test(cause.message));
  });

  test('with an ID token alone', async () => {
    const config = await register(provider, { ...web, grant_types: ['implicit'], response_types: ['id_token'], token_endpoint_auth_method: 'none' });
    client.useIdTokenResponseType(config);
    const { callback, checks } = await authorize(config, new Person(alice), { redirect_uri: redirectUri });
    const claims = await client.implicitAuthentication(config, callback, checks.expectedNonce, { expectedState: checks.expectedState });
    assert.equal(claims.aud, config.clientMetadata().client_id);
    assert.equal(claims.email, 'alice@example.com', 'there is no access token to ask userinfo with');
  });
});
