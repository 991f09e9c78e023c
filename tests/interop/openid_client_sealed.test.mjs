// openid-client (npm), as shipped: what is signed and encrypted by registration, in both directions.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { CompactEncrypt, decodeProtectedHeader, importJWK } from 'jose';
import * as client from 'openid-client';

import { launchChromium } from './support/chromium.mjs';
import { authorize, encryptionKey, keyPair, register } from './support/openid_client.mjs';
import { Person } from './support/person.mjs';
import { Provider } from './support/provider.mjs';
import { RelyingParty } from './support/relying_party.mjs';

const alice = { email: 'alice@example.com', name: 'Alice Liddell', password: 'down the rabbit hole 1865' };
const redirectUri = 'https://app.example/callback';
const web = { redirect_uris: [redirectUri], grant_types: ['authorization_code', 'refresh_token'], token_endpoint_auth_method: 'private_key_jwt' };

let provider;
let person;
let signing;

before(async () => {
  provider = await Provider.start({ COUNTERSIGN_REGISTRATION__MODE: 'open', COUNTERSIGN_KEYS__ALGORITHMS: 'RS256,PS256,ES256' });
  person = new Person(await provider.addUser(alice));
  signing = await keyPair('ES256', 'sig');
});
after(() => provider?.stop());

const headerOf = decodeProtectedHeader;
/** A client that authenticates with the one key, and may have others to decrypt with. */
const registerWithKeys = (metadata, ...others) =>
  register(provider, { ...web, jwks: { keys: [signing, ...others].map(({ jwk }) => jwk) }, ...metadata }, client.PrivateKeyJwt(signing));

async function signIn(config, parameters, options) {
  const { callback, checks } = await authorize(config, person, { redirect_uri: redirectUri, ...parameters }, options);
  return client.authorizationCodeGrant(config, callback, checks);
}

/** What is asked of ID tokens and userinfo, and what opens them. */
async function sealed() {
  const rsa = await keyPair('RSA-OAEP-256', 'enc');
  const ec = await keyPair('ECDH-ES+A256KW', 'enc');
  const metadata = {
    id_token_signed_response_alg: 'PS256',
    id_token_encrypted_response_alg: 'RSA-OAEP-256',
    id_token_encrypted_response_enc: 'A256GCM',
    userinfo_signed_response_alg: 'ES256',
    userinfo_encrypted_response_alg: 'ECDH-ES+A256KW',
    userinfo_encrypted_response_enc: 'A256GCM',
  };
  const open = (config) => client.enableDecryptingResponses(config, ['A256GCM'], ...[rsa, ec].map(({ key, alg, kid }) => ({ key, alg, kid })));
  return { keys: [rsa, ec], metadata, open };
}

describe('answers', () => {
  test('ID tokens by PS256 and ES256', async () => {
    for (const alg of ['PS256', 'ES256']) {
      const config = await registerWithKeys({ id_token_signed_response_alg: alg });
      const tokens = await signIn(config);
      assert.equal(headerOf(tokens.id_token).alg, alg);
      // openid-client compares at_hash by this algorithm, too.
      assert.ok(tokens.claims().at_hash);
    }
  });

  test('an encrypted ID token and encrypted userinfo, each by its own key', async () => {
    const { keys, metadata, open } = await sealed();
    const config = await registerWithKeys(metadata, ...keys);
    open(config);
    const tokens = await signIn(config);
    const { alg, enc, cty, kid } = headerOf(tokens.id_token);
    assert.deepEqual({ alg, enc, cty, kid }, { alg: 'RSA-OAEP-256', enc: 'A256GCM', cty: 'JWT', kid: 'enc RSA-OAEP-256' });
    const { alg: signedBy } = headerOf(client.getDecryptedResponses(tokens).id_token.token_endpoint);
    assert.equal(signedBy, 'PS256');

    const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
    assert.equal(info.email, alice.email);
    assert.equal(headerOf(client.getDecryptedResponses(info)).alg, 'ES256');
  });

  test('in the front channel as well: a form, received by the server of the app, in a browser', async (t) => {
    const party = await RelyingParty.start();
    t.after(() => party.stop());
    const browser = await launchChromium();
    t.after(() => browser.close());
    const { keys, metadata, open } = await sealed();
    // What runs on the person's own machine, as this server does, is native.
    const native = { application_type: 'native', response_types: ['code id_token'], redirect_uris: [party.redirectUri] };
    const config = await registerWithKeys({ ...metadata, ...native }, ...keys);
    open(config);
    client.useCodeIdTokenResponseType(config);
    party.use(config, { response_mode: 'form_post' });

    const page = await browser.newPage();
    await page.goto(`${party.url}/sign-in`);
    await page.fill('input[name=username]', alice.email);
    await page.fill('input[name=password]', alice.password);
    await page.press('input[name=password]', 'Enter');
    await page.click('button[name=approve]');
    await page.getByRole('heading', { name: 'Signed in' }).waitFor();
    assert.deepEqual(party.complaints, []);
    const [{ answer, claims }] = [...party.sessions.values()];
    assert.equal(answer.method, 'POST');
    assert.equal(headerOf(answer.fields.get('id_token')).enc, 'A256GCM');
    assert.equal(claims.aud, config.clientMetadata().client_id);
  });
});

describe('requests', () => {
  const build = (config, parameters) => client.buildAuthorizationUrlWithJAR(config, parameters, signing);

  test('signed', async () => {
    const config = await registerWithKeys({ request_object_signing_alg: 'ES256', require_signed_request_object: true });
    const tokens = await signIn(config, {}, { build });
    assert.equal(tokens.claims().aud, config.clientMetadata().client_id);
  });

  test('signed by another key are refused', async () => {
    const config = await registerWithKeys({ request_object_signing_alg: 'ES256' });
    const { key } = await keyPair('ES256', 'sig');
    const forge = (_, parameters) => client.buildAuthorizationUrlWithJAR(config, parameters, { key, kid: signing.kid });
    const { callback } = await authorize(config, person, { redirect_uri: redirectUri }, { build: forge });
    assert.equal(callback.searchParams.get('error'), 'invalid_request_object');
    assert.equal(callback.searchParams.get('state'), null, 'what nobody vouches for is not repeated');
  });

  test('plain are refused where signed ones are required', async () => {
    const config = await registerWithKeys({ require_signed_request_object: true });
    await assert.rejects(signIn(config), { error: 'invalid_request' });
  });

  for (const alg of ['RSA-OAEP-256', 'ECDH-ES+A256KW']) {
    test(`signed, and encrypted by ${alg}`, async () => {
      const config = await registerWithKeys({
        request_object_signing_alg: 'ES256',
        request_object_encryption_alg: alg,
        request_object_encryption_enc: 'A256GCM',
      });
      const key = await encryptionKey(config, alg);
      const encrypted = async (_, parameters) => {
        const url = await build(config, parameters);
        const header = { alg, enc: 'A256GCM', cty: 'oauth-authz-req+jwt', kid: key.kid };
        const sealer = new CompactEncrypt(new TextEncoder().encode(url.searchParams.get('request'))).setProtectedHeader(header);
        url.searchParams.set('request', await sealer.encrypt(await importJWK(key, alg)));
        return url;
      };
      const tokens = await signIn(config, {}, { build: encrypted });
      assert.equal(tokens.claims().aud, config.clientMetadata().client_id);
    });
  }
});

describe('pairwise subjects', () => {
  test('apps of one host know a person by one name, and others by another', async () => {
    const nameAt = async (uri) => {
      const config = await registerWithKeys({ subject_type: 'pairwise', redirect_uris: [uri] });
      const tokens = await signIn(config, { redirect_uri: uri });
      const info = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);
      const refreshed = await client.refreshTokenGrant(config, tokens.refresh_token);
      assert.equal(refreshed.claims().sub, info.sub);
      return info.sub;
    };
    const [one, same, other] = [await nameAt(redirectUri), await nameAt(`${redirectUri}/two`), await nameAt('https://other.example/callback')];
    assert.equal(one, same);
    assert.notEqual(one, other);
    const open = await signIn(await registerWithKeys({}));
    assert.ok(![one, other].includes(open.claims().sub));
  });
});
