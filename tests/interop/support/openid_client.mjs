// What tests with openid-client share: how it is set up, its keys, and the way to the provider and back.

import { setTimeout as delay } from 'node:timers/promises';

import { exportJWK, generateKeyPair } from 'jose';
import * as client from 'openid-client';

const keySeconds = 10;

/** Loopback http is allowed and every signature is checked. */
export const execute = [client.allowInsecureRequests, client.enableNonRepudiationChecks];

/** Discovery as the client `id` of a provider; `metadata` is what it knows of its registration. */
export function discover(provider, id, authentication, metadata = {}) {
  return client.discovery(new URL(provider.issuer), id, metadata, authentication, { execute });
}

/** A client that registers itself at a provider (RFC 7591): its configuration, with what it was told of itself. */
export function register(provider, metadata, authentication, options = {}) {
  return client.dynamicClientRegistration(new URL(provider.issuer), metadata, authentication, { execute, ...options });
}

/** A key pair of a client for `use` (`sig` or `enc`): the private key, and the public one as its JWK set has it. */
export async function keyPair(alg, use) {
  const { privateKey, publicKey } = await generateKeyPair(alg);
  const kid = `${use} ${alg}`;
  return { key: privateKey, kid, alg, jwk: { ...(await exportJWK(publicKey)), kid, use, alg } };
}

/** The provider's key to encrypt by `alg` for it; a new provider makes its keys shortly after it started. */
export async function encryptionKey(config, alg) {
  const deadline = Date.now() + keySeconds * 1000;
  while (true) {
    const answer = await fetch(config.serverMetadata().jwks_uri);
    const found = (await answer.json()).keys.find((key) => key.use === 'enc' && key.alg === alg);
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`no key to encrypt by ${alg}`);
    await delay(50);
  }
}

/** A fresh request: where the browser goes, by `build`, and what is needed to redeem the answer. */
export async function request(config, parameters, build = client.buildAuthorizationUrl) {
  const pkceCodeVerifier = client.randomPKCECodeVerifier();
  const expectedState = client.randomState();
  const expectedNonce = client.randomNonce();
  const url = await build(config, {
    scope: 'openid profile email',
    code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
    state: expectedState,
    nonce: expectedNonce,
    ...parameters,
  });
  return { url, checks: { pkceCodeVerifier, expectedState, expectedNonce, idTokenExpected: true } };
}

/**
 * Sends the person through the hosted pages with a request. Returns which pages were seen, the answer as the client takes it (a URL, or the
 * Request of a form), and what is needed to redeem it.
 */
export async function authorize(config, person, parameters, { build, decision } = {}) {
  const { url, checks } = await request(config, parameters, build);
  const seen = await person.visit(url, { returnTo: parameters.redirect_uri, decision });
  const callback = seen.form ? new Request(seen.url, { method: 'POST', body: seen.form }) : seen.url;
  return { callback, pages: seen.pages, checks };
}
