// Signing in and out at the provider: authorization code with PKCE, tokens bound to a key of this page (DPoP). Tokens and key
// are in memory alone; sessionStorage has what the way back needs, and only on the way.

import * as oauth from 'oauth4webapi';

import { AnotherPerson, SignedOut, Unreachable } from './errors.ts';
import type { Settings } from './settings.ts';

/** What the person was about to do when they were sent to sign in again. */
export type Intention = 'export' | 'delete';

interface Pending {
  verifier: string;
  state: string;
  nonce: string;
  intention?: Intention;
  max_age?: number;
  /** Who it must be: whoever confirms that they are themselves. */
  sub?: string;
}

export interface Wish {
  intention?: Intention;
  sub?: string;
  id_token_hint?: string;
  acr_values?: string;
  max_age?: number;
}

const storageName = 'sign-in';
/** `state` of a sign-out, by which the page knows why it is there. */
export const signedOutState = 'signed-out';
/** How long before its end a token is renewed, in seconds. */
const margin = 30;

export class Provider {
  readonly settings: Settings;
  readonly client: oauth.Client;
  #server: Promise<oauth.AuthorizationServer> | undefined;

  constructor(settings: Settings) {
    this.settings = settings;
    this.client = { client_id: settings.client_id };
  }

  /** A development provider speaks plain http on this machine. */
  get options(): { [oauth.allowInsecureRequests]: boolean } {
    return { [oauth.allowInsecureRequests]: new URL(this.settings.issuer).protocol === 'http:' };
  }

  get redirectUri(): string {
    return `${this.settings.audience}/`;
  }

  server(): Promise<oauth.AuthorizationServer> {
    this.#server ??= reach(async () => {
      const issuer = new URL(this.settings.issuer);
      return oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, this.options));
    }).catch((error: unknown) => {
      this.#server = undefined;
      throw error;
    });
    return this.#server;
  }

  async prepare(wish: Wish = {}): Promise<{ url: string; pending: Pending }> {
    const server = await this.server();
    const pending: Pending = { verifier: oauth.generateRandomCodeVerifier(), state: oauth.generateRandomState(), nonce: oauth.generateRandomNonce() };
    if (wish.intention) pending.intention = wish.intention;
    if (wish.max_age !== undefined) pending.max_age = wish.max_age;
    if (wish.sub !== undefined) pending.sub = wish.sub;
    const url = new URL(required(server.authorization_endpoint));
    const parameters: Record<string, string> = {
      client_id: this.client.client_id,
      response_type: 'code',
      redirect_uri: this.redirectUri,
      scope: this.settings.scope,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier),
      code_challenge_method: 'S256',
    };
    if (wish.id_token_hint) parameters.id_token_hint = wish.id_token_hint;
    if (wish.acr_values) parameters.acr_values = wish.acr_values;
    if (wish.max_age !== undefined) parameters.max_age = String(wish.max_age);
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
    return { url: url.href, pending };
  }

  /** Leaves the page for the provider. */
  async leave(wish: Wish = {}): Promise<void> {
    const { url, pending } = await this.prepare(wish);
    sessionStorage.setItem(storageName, JSON.stringify(pending));
    location.assign(url);
  }

  async exchange(answer: URLSearchParams, pending: Pending, keys: CryptoKeyPair): Promise<oauth.TokenEndpointResponse> {
    const server = await this.server();
    // RFC 9207: `iss` too is checked in here.
    const parameters = oauth.validateAuthResponse(server, this.client, answer, pending.state);
    const handle = oauth.DPoP(this.client, keys);
    return withNonce(async () => {
      const response = await oauth.authorizationCodeGrantRequest(
        server, this.client, oauth.None(), parameters, this.redirectUri, pending.verifier, { ...this.options, DPoP: handle });
      const expected = { expectedNonce: pending.nonce, requireIdToken: true };
      return oauth.processAuthorizationCodeResponse(
        server, this.client, response, pending.max_age === undefined ? expected : { ...expected, maxAge: pending.max_age });
    });
  }
}

/** The way back is good once, whatever comes of it. */
export function takePending(): Pending | undefined {
  const stored = sessionStorage.getItem(storageName);
  sessionStorage.removeItem(storageName);
  return stored === null ? undefined : (JSON.parse(stored) as Pending);
}

export class Session {
  readonly provider: Provider;
  readonly keys: CryptoKeyPair;
  #tokens: oauth.TokenEndpointResponse;
  #claims: oauth.IDToken;
  #goodUntil: number;
  #renewal: Promise<void> | undefined;
  #again: Pending | undefined;

  private constructor(provider: Provider, keys: CryptoKeyPair, tokens: oauth.TokenEndpointResponse) {
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    if (!claims) throw new Error('no ID token');
    [this.provider, this.keys, this.#tokens, this.#claims, this.#goodUntil] = [provider, keys, tokens, claims, goodUntil(tokens)];
  }

  /** The key is made here, after the redirect: it never has to be kept anywhere. */
  static async begin(provider: Provider, answer: URLSearchParams, pending: Pending): Promise<Session> {
    const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
    const session = new Session(provider, keys, await reach(() => provider.exchange(answer, pending, keys)));
    if (pending.sub !== undefined && pending.sub !== session.#claims.sub) throw new AnotherPerson();
    return session;
  }

  /** Who is signed in, as the provider is told when they shall confirm it. */
  get person(): { sub: string; id_token_hint?: string } {
    const { id_token } = this.#tokens;
    return { sub: this.#claims.sub, ...(id_token === undefined ? {} : { id_token_hint: id_token }) };
  }

  get acr(): string | undefined {
    return typeof this.#claims.acr === 'string' ? this.#claims.acr : undefined;
  }

  /** A token that is good for a while; throws `SignedOut` where there is none any more. */
  async token(): Promise<string> {
    if (Date.now() >= this.#goodUntil) await this.renew();
    return this.#tokens.access_token;
  }

  /** Whoever else wants it waits for the same renewal: a refresh token is good once. */
  renew(): Promise<void> {
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #renew(): Promise<void> {
    const refreshToken = this.#tokens.refresh_token;
    if (refreshToken === undefined) throw new SignedOut();
    const { provider } = this;
    const server = await provider.server();
    const handle = oauth.DPoP(provider.client, this.keys);
    try {
      const tokens = await reach(() => withNonce(async () => {
        const response = await oauth.refreshTokenGrantRequest(
          server, provider.client, oauth.None(), refreshToken, { ...provider.options, DPoP: handle });
        return oauth.processRefreshTokenResponse(server, provider.client, response);
      }));
      this.#take({ refresh_token: refreshToken, id_token: this.#tokens.id_token as string, ...tokens });
    } catch (error) {
      if (error instanceof oauth.ResponseBodyError && error.error === 'invalid_grant') throw new SignedOut();
      throw error;
    }
  }

  #take(tokens: oauth.TokenEndpointResponse): void {
    this.#tokens = tokens;
    this.#goodUntil = goodUntil(tokens);
  }

  /** Where to sign in again, in another tab, so that this one keeps what is in it. */
  async addressToSignInAgain(): Promise<string> {
    const { url, pending } = await this.provider.prepare();
    this.#again = pending;
    return url;
  }

  /** Takes what the other tab came back with. False where it is not meant for this one. */
  async resume(answer: URLSearchParams): Promise<boolean> {
    const pending = this.#again;
    if (pending === undefined || answer.get('state') !== pending.state) return false;
    this.#again = undefined;
    const tokens = await reach(() => this.provider.exchange(answer, pending, this.keys));
    const claims = oauth.getValidatedIdTokenClaims(tokens);
    if (claims?.sub !== this.#claims.sub) throw new AnotherPerson();
    this.#claims = claims;
    this.#take(tokens);
    return true;
  }

  /** Gives the refresh token back and ends the session at the provider; leaves the page. */
  async end(): Promise<void> {
    const { provider } = this;
    const { refresh_token: refreshToken, id_token: idToken } = this.#tokens;
    const server = await provider.server();
    if (refreshToken !== undefined && server.revocation_endpoint !== undefined) {
      // It ends with the session as well; a failure here must keep nobody signed in.
      await oauth.revocationRequest(server, provider.client, oauth.None(), refreshToken, provider.options)
        .then(oauth.processRevocationResponse)
        .catch(() => undefined);
    }
    const url = new URL(required(server.end_session_endpoint));
    const parameters = { client_id: provider.client.client_id, id_token_hint: idToken, post_logout_redirect_uri: provider.redirectUri, state: signedOutState };
    for (const [name, value] of Object.entries(parameters)) if (value !== undefined) url.searchParams.set(name, value);
    location.assign(url);
  }
}

function goodUntil(tokens: oauth.TokenEndpointResponse): number {
  return Date.now() + ((tokens.expires_in ?? 60) - margin) * 1000;
}

function required(endpoint: string | undefined): string {
  if (endpoint === undefined) throw new Error('the provider lacks an endpoint');
  return endpoint;
}

/** RFC 9449 §8: the server may want its nonce in the proof; it comes with the refusal. */
async function withNonce<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    if (oauth.isDPoPNonceError(error)) return attempt();
    throw error;
  }
}

/** `fetch` throws a TypeError where no answer came. */
async function reach<T>(attempt: () => Promise<T>): Promise<T> {
  try {
    return await attempt();
  } catch (error) {
    throw error instanceof TypeError ? new Unreachable(error.message) : error;
  }
}
