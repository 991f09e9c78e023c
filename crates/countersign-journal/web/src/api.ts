// The journal's server. Every request carries the token and a proof of its key (RFC 9449 §7).

import { generateProof } from 'dpop';

import { utf8 } from './bytes.ts';
import { ApiError, Unreachable, challengeOf, retryAfter } from './errors.ts';
import type { Session } from './session.ts';
import { sign } from './signing.ts';
import type { Vault } from './vault.ts';

export interface Live {
  id: string;
  revision: number;
  body: string;
}

export interface Deleted {
  id: string;
  revision: number;
  deleted: true;
}

export interface Changes {
  entries: (Live | Deleted)[];
  cursor: string;
  more: boolean;
}

export interface Access {
  at: string;
  action: string;
  entry: string | null;
  client_id: string;
  outcome: string;
}

export interface Accesses {
  accesses: Access[];
  /** Where older ones begin; without it there are none. */
  before?: number | null;
}

/** As it is exported, with the text as the server gave it. */
export interface Export {
  exported_at: string;
  entries: Live[];
  raw: string;
}

export interface KeptVault {
  vault: Vault;
  etag: string;
}

interface Options {
  body?: unknown;
  headers?: Record<string, string>;
  signed?: boolean;
}

export class Api {
  readonly #session: Session;
  readonly #origin: string;
  #nonce: string | undefined;

  constructor(session: Session, origin: string) {
    this.#session = session;
    this.#origin = origin;
  }

  async changes(after: string | undefined): Promise<Changes> {
    return (await (await this.#send('GET', `/entries${since(after)}`)).json()) as Changes;
  }

  async entry(id: string): Promise<Live> {
    return (await (await this.#send('GET', `/entries/${id}`)).json()) as Live;
  }

  /** `after` is the cursor of the journal that the entry is meant for. */
  async create(body: string, after: string | undefined): Promise<void> {
    await this.#send('POST', `/entries${since(after)}`, { body: { body } });
  }

  /** `revision` is the one that is replaced. */
  async replace(id: string, revision: number, body: string): Promise<void> {
    await this.#send('PUT', `/entries/${id}`, { body: { body }, headers: { 'If-Match': `"${revision}"` } });
  }

  async remove(id: string, revision: number): Promise<void> {
    await this.#send('DELETE', `/entries/${id}`, { headers: { 'If-Match': `"${revision}"` } });
  }

  /** `undefined` where there is none yet. */
  async vault(): Promise<KeptVault | undefined> {
    try {
      const answer = await this.#send('GET', '/vault');
      return { vault: (await answer.json()) as Vault, etag: answer.headers.get('etag') ?? '' };
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return undefined;
      throw error;
    }
  }

  /** `etag` is the one that is replaced; without it there must be none yet. */
  async putVault(vault: Vault, etag?: string): Promise<void> {
    await this.#send('PUT', '/vault', { body: vault, headers: etag === undefined ? { 'If-None-Match': '*' } : { 'If-Match': etag } });
  }

  async accesses(before?: number | null): Promise<Accesses> {
    const query = before == null ? '' : `?before=${before}`;
    return (await (await this.#send('GET', `/accesses${query}`)).json()) as Accesses;
  }

  async export(): Promise<Export> {
    const raw = await (await this.#send('GET', '/journal', { signed: true })).text();
    return { ...(JSON.parse(raw) as Omit<Export, 'raw'>), raw };
  }

  async removeEverything(): Promise<void> {
    await this.#send('DELETE', '/journal', { signed: true });
  }

  async #send(method: string, path: string, options: Options = {}): Promise<Response> {
    let renewed = false;
    let answered = false;
    for (;;) {
      const response = await this.#once(method, path, options);
      if (response.ok) return response;
      const error = await errorOf(response);
      if (error.status === 401 && error.code === 'use_dpop_nonce' && !answered) {
        answered = true;
      } else if (error.status === 401 && error.code === 'invalid_token' && !renewed) {
        // It may have ended sooner than it was said to.
        renewed = true;
        await this.#session.renew();
      } else {
        throw error;
      }
    }
  }

  async #once(method: string, path: string, { body, headers = {}, signed = false }: Options): Promise<Response> {
    const token = await this.#session.token();
    const url = `${this.#origin}${path}`;
    const bytes = utf8(body === undefined ? '' : JSON.stringify(body));
    const authorization = `DPoP ${token}`;
    // RFC 9449 §4.2: htu has no query.
    const dpop = await generateProof(this.#session.keys, url.replace(/\?.*$/, ''), method, this.#nonce, token);
    const signature = signed
      ? await sign({ method, url, body: bytes, authorization, dpop }, this.#session.keys, Math.floor(Date.now() / 1000))
      : {};
    const type: Record<string, string> = body === undefined ? {} : { 'Content-Type': 'application/json' };
    let response: Response;
    try {
      response = await fetch(url, {
        method,
        headers: { ...type, ...headers, Authorization: authorization, DPoP: dpop, ...signature },
        body: body === undefined ? null : bytes,
        cache: 'no-store',
        credentials: 'omit',
        redirect: 'error',
      });
    } catch {
      throw new Unreachable();
    }
    this.#nonce = response.headers.get('dpop-nonce') ?? this.#nonce;
    return response;
  }
}

function since(after: string | undefined): string {
  return after === undefined ? '' : `?${new URLSearchParams({ after })}`;
}

async function errorOf(response: Response): Promise<ApiError> {
  const { headers, status } = response;
  const said = (await response.json().catch(() => ({}))) as { error?: unknown; error_description?: unknown };
  const text = (value: unknown) => (typeof value === 'string' ? value : undefined);
  const challenge = headers.get('www-authenticate');
  const code = text(said.error) ?? challenge?.match(/error="([^"]*)"/)?.[1] ?? 'error';
  const description = text(said.error_description);
  const wait = retryAfter(headers.get('retry-after'), Date.now());
  return new ApiError(status, code, {
    ...(description === undefined ? {} : { description }),
    ...(wait === undefined ? {} : { retryAfter: wait }),
    ...(code === 'insufficient_user_authentication' ? { challenge: challengeOf(challenge) } : {}),
  });
}
