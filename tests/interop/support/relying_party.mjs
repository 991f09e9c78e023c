// A small web application: signs people in with openid-client, keeps sessions of its own, and ends them when it hears by back-channel
// logout that the sign-in is over.

import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as client from 'openid-client';

import { request } from './openid_client.mjs';

const logoutEvent = 'http://schemas.openid.net/event/backchannel-logout';
const hearingSeconds = 10;

export class RelyingParty {
  /** Who is signed in, by the value of the cookie: `{ claims, answer }`. */
  sessions = new Map();
  /** What went wrong here, in words. */
  complaints = [];
  #server;
  #requests = new Map();
  #heard = new EventEmitter();

  static async start() {
    const party = new RelyingParty();
    party.#server = createServer((incoming, outgoing) => party.#answer(incoming, outgoing)).listen(0, '127.0.0.1');
    await once(party.#server, 'listening');
    party.url = `http://localhost:${party.#server.address().port}`;
    party.redirectUri = `${party.url}/callback`;
    party.logoutUri = `${party.url}/backchannel-logout`;
    return party;
  }

  /** Which client it is, and what it adds to its requests. */
  use(config, parameters = {}) {
    this.config = config;
    this.parameters = { redirect_uri: this.redirectUri, ...parameters };
  }

  /** The claims of the logout token that it takes for this session; ask before what causes it. */
  async hears(sid) {
    const [claims] = await once(this.#heard, sid, { signal: AbortSignal.timeout(hearingSeconds * 1000) });
    return claims;
  }

  stop() {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  async #answer(incoming, outgoing) {
    const url = new URL(incoming.url, this.url);
    const fields = new URLSearchParams(incoming.method === 'POST' ? await text(incoming) : url.search);
    const cookie = /(?:^|; )party=([^;]*)/.exec(incoming.headers.cookie ?? '')?.[1];
    const routes = {
      '/': () => this.#home(cookie),
      '/sign-in': () => this.#signIn(),
      '/callback': () => this.#signedIn(incoming.method, url, fields),
      '/backchannel-logout': () => this.#signedOut(incoming.method, fields),
    };
    try {
      const { status, headers, body } = (await routes[url.pathname]?.()) ?? { status: 404 };
      outgoing.writeHead(status, headers).end(body);
    } catch (error) {
      this.complaints.push(`${url.pathname}: ${error.stack}`);
      outgoing.writeHead(400, { 'cache-control': 'no-store' }).end();
    }
  }

  #home(cookie) {
    const words = this.sessions.has(cookie) ? 'Signed in' : 'Signed out';
    const body = `<!doctype html><html lang="en"><title>The app</title><h1>${words}</h1></html>`;
    return { status: 200, headers: { 'content-type': 'text/html' }, body };
  }

  async #signIn() {
    const { url, checks } = await request(this.config, this.parameters);
    this.#requests.set(checks.expectedState, checks);
    return { status: 303, headers: { location: url.href } };
  }

  async #signedIn(method, url, fields) {
    const body = method === 'POST' ? fields : undefined;
    const checks = this.#requests.get(fields.get('state'));
    this.#requests.delete(fields.get('state'));
    const tokens = await client.authorizationCodeGrant(this.config, new Request(url, { method, body }), checks);
    const cookie = randomUUID();
    this.sessions.set(cookie, { claims: tokens.claims(), answer: { method, fields } });
    return { status: 303, headers: { location: '/', 'set-cookie': `party=${cookie}; Path=/; HttpOnly; SameSite=Lax` } };
  }

  /** OpenID Connect Back-Channel Logout 1.0, sections 2.6 to 2.8. */
  async #signedOut(method, fields) {
    if (method !== 'POST') throw new Error(`a logout by ${method}`);
    const { issuer, jwks_uri: jwks } = this.config.serverMetadata();
    const { client_id: audience, id_token_signed_response_alg: algorithm = 'RS256' } = this.config.clientMetadata();
    const { payload } = await jwtVerify(fields.get('logout_token'), createRemoteJWKSet(new URL(jwks)), {
      issuer, audience, algorithms: [algorithm], typ: 'logout+jwt', requiredClaims: ['iat', 'exp', 'jti', 'sub', 'sid'],
    });
    if (JSON.stringify(payload.events) !== JSON.stringify({ [logoutEvent]: {} })) throw new Error('not the one event');
    if ('nonce' in payload) throw new Error('a nonce: this could pass for an ID token');
    for (const [cookie, { claims }] of this.sessions) {
      if (claims.sid === payload.sid) this.sessions.delete(cookie);
    }
    this.#heard.emit(payload.sid, payload);
    return { status: 200, headers: { 'cache-control': 'no-store' } };
  }
}
