// Another provider than Countersign, which issues access tokens as RFC 9068 describes them, too: oidc-provider (npm), with one person who
// is signed in wherever they are asked to, and a key that tests may use.

import { once } from 'node:events';
import { createServer } from 'node:http';

import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import * as oidc from 'oidc-provider';

import { freePort } from './provider.mjs';

const alg = 'RS256';
const person = 'bob';
const signInPath = '/sign-in/';
const lifetimes = ['AccessToken', 'AuthorizationCode', 'ClientCredentials', 'Grant', 'IdToken', 'Interaction', 'Session'];

export class SecondIssuer {
  /** `audiences` are the APIs that tokens may be for, `scope` what all of them know. */
  static async start({ audiences, scope, redirectUri }) {
    const port = await freePort();
    const issuer = new SecondIssuer(`http://localhost:${port}`, { audiences, scope, redirectUri });
    await issuer.rotateKey();
    issuer.#server = createServer((request, response) => issuer.#handler(request, response));
    await once(issuer.#server.listen(port, '127.0.0.1'), 'listening');
    return issuer;
  }

  #server;
  #handler;
  #settings;

  constructor(url, settings) {
    this.url = url;
    this.#settings = settings;
  }

  /** Has another key from now on, and publishes that alone. Whatever was begun before is forgotten. */
  async rotateKey() {
    const { privateKey } = await generateKeyPair(alg, { extractable: true });
    this.key = { ...(await exportJWK(privateKey)), kid: crypto.randomUUID(), alg, use: 'sig' };
    const provider = new oidc.Provider(this.url, this.#configuration());
    provider.use(async (ctx, next) => {
      if (!ctx.path.startsWith(signInPath)) return next();
      ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, { login: { accountId: person } }));
    });
    this.#handler = provider.callback();
  }

  #configuration() {
    const { audiences, scope, redirectUri } = this.#settings;
    return {
      jwks: { keys: [this.key] },
      cookies: { keys: [crypto.randomUUID()] },
      clients: [
        { client_id: 'app', client_secret: 'secret of the app', redirect_uris: [redirectUri] },
        {
          client_id: 'robot',
          client_secret: 'secret of the robot',
          grant_types: ['client_credentials'],
          redirect_uris: [],
          response_types: [],
        },
      ],
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        dPoP: { enabled: true },
        resourceIndicators: {
          enabled: true,
          getResourceServerInfo(ctx, audience) {
            if (!audiences.includes(audience)) throw new oidc.errors.InvalidTarget();
            return { audience, scope, accessTokenFormat: 'jwt', jwt: { sign: { alg } } };
          },
        },
      },
      findAccount: (ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
      interactions: { url: (ctx, { uid }) => `${signInPath}${uid}` },
      // Nobody is asked whether they agree.
      async loadExistingGrant({ oidc: { client, provider, session } }) {
        const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
        grant.addOIDCScope('openid');
        for (const audience of audiences) grant.addResourceScope(audience, scope);
        await grant.save();
        return grant;
      },
      ttl: Object.fromEntries(lifetimes.map((name) => [name, 600])),
    };
  }

  /** A token with these claims that nobody was issued, signed by the issuer's key or by another one that pretends to be it. */
  async sign(claims, { key = this.key, typ = 'at+jwt' } = {}) {
    return new SignJWT(claims).setProtectedHeader({ alg, typ, kid: this.key.kid }).sign(await importJWK(key, alg));
  }

  async stop() {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
