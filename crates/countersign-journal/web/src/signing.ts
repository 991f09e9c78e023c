// Requests that are signed as a whole (RFC 9421, RFC 9530) by the key that the access token is bound to, so that nobody on the
// way can alter them.

import { calculateThumbprint } from 'dpop';

import { type Bytes, base64, sha256, utf8 } from './bytes.ts';

export type Component = [name: string, value: string];

export interface Signable {
  method: string;
  url: string;
  body: Bytes;
  /** The values of these headers, as they are sent. */
  authorization: string;
  dpop: string;
}

const label = 'sig';

/** RFC 9421 §2.5. */
export function signatureBase(components: Component[], parameters: string): string {
  return [...components, ['@signature-params', parameters]].map(([name, value]) => `"${name}": ${value}`).join('\n');
}

/** RFC 9421 §2.3: what is covered, in its order, and the parameters of the signature. */
export function signatureParameters(components: Component[], created: number, keyid: string): string {
  const names = components.map(([name]) => `"${name}"`).join(' ');
  return `(${names});created=${created};keyid="${keyid}";alg="ecdsa-p256-sha256"`;
}

/** RFC 9530 §2. */
export async function contentDigest(body: Bytes): Promise<string> {
  return `sha-256=:${base64(await sha256(body))}:`;
}

/** The headers that make a request a signed one. `now` is in seconds. */
export async function sign(request: Signable, keys: CryptoKeyPair, now: number): Promise<Record<string, string>> {
  const digest = await contentDigest(request.body);
  const components: Component[] = [
    ['@method', request.method],
    ['@target-uri', new URL(request.url).href],
    ['content-digest', digest],
    ['authorization', request.authorization],
    ['dpop', request.dpop],
  ];
  const parameters = signatureParameters(components, now, await calculateThumbprint(keys.publicKey));
  const base = utf8(signatureBase(components, parameters));
  // RFC 9421 §3.3.4: r and s, 32 bytes each, which is what Web Crypto makes.
  const signature = await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, keys.privateKey, base);
  return {
    'Content-Digest': digest,
    'Signature-Input': `${label}=${parameters}`,
    Signature: `${label}=:${base64(new Uint8Array(signature))}:`,
  };
}
