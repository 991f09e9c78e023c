import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, verify } from 'node:crypto';
import { test } from 'node:test';

import { contentDigest, sign, signatureBase, signatureParameters } from '../build/signing.js';

const utf8 = (text) => new TextEncoder().encode(text);

test('RFC 9421, appendix B.2.4: the base of the example is what its signature is of', async () => {
  const jwk = { kty: 'EC', crv: 'P-256', x: 'qIVYZVLCrPZHGHjP17CTW0_-D9Lfw0EkjqF7xB4FivA', y: 'Mc4nN9LTDOBhfoUeg8Ye9WedFRhnZXZJA12Qp0zZ6F0' };
  const base = signatureBase([
    ['@status', '200'],
    ['content-type', 'application/json'],
    ['content-digest', 'sha-512=:mEWXIS7MaLRuGgxOBdODa3xqM1XdEvxoYhvlCFJ41QJgJc4GTsPp29l5oGX69wWdXymyU0rjJuahq4l5aGgfLQ==:'],
    ['content-length', '23'],
  ], '("@status" "content-type" "content-digest" "content-length");created=1618884473;keyid="test-key-ecc-p256"');
  const signature = Buffer.from('wNmSUAhwb5LxtOtOpNa6W5xj067m5hFrj0XQ4fvpaCLx0NKocgPquLgyahnzDnDAUy5eCdlYUEkLIj+32oiasw==', 'base64');
  const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['verify']);
  const isGood = (text) => crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, key, signature, utf8(text));
  assert.equal(await isGood(base), true);
  assert.equal(await isGood(base.replace('200', '201')), false);
});

test('RFC 9530, appendix D: the digest of no body at all', async () => {
  assert.equal(await contentDigest(new Uint8Array()), 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:');
});

test('parameters are in the order that was agreed on', () => {
  assert.equal(signatureParameters([['@method', 'GET'], ['dpop', 'x']], 1700000000, 'thumb'),
    '("@method" "dpop");created=1700000000;keyid="thumb";alg="ecdsa-p256-sha256"');
});

test('a signed request verifies by the key of its proof, and for this request alone', async () => {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign', 'verify']);
  const request = { method: 'DELETE', url: 'http://localhost:8081/journal?a=b', body: utf8(''), authorization: 'DPoP token', dpop: 'a.b.c' };
  const headers = await sign(request, keys, 1700000000);
  const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', keys.publicKey);
  // RFC 7638 §3.2: required members, in lexicographic order.
  const thumbprint = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url');
  const parameters = `("@method" "@target-uri" "content-digest" "authorization" "dpop");created=1700000000;keyid="${thumbprint}";alg="ecdsa-p256-sha256"`;
  assert.deepEqual(Object.keys(headers), ['Content-Digest', 'Signature-Input', 'Signature']);
  assert.equal(headers['Signature-Input'], `sig=${parameters}`);
  assert.equal(headers['Content-Digest'], `sha-256=:${createHash('sha256').update('').digest('base64')}:`);
  const expected = [
    '"@method": DELETE',
    '"@target-uri": http://localhost:8081/journal?a=b',
    `"content-digest": ${headers['Content-Digest']}`,
    '"authorization": DPoP token',
    '"dpop": a.b.c',
    `"@signature-params": ${parameters}`,
  ].join('\n');
  const [, encoded] = headers.Signature.match(/^sig=:([A-Za-z0-9+/=]+):$/);
  const signature = Buffer.from(encoded, 'base64');
  assert.equal(signature.length, 64);
  const isGood = (key, text) => verify('sha256', utf8(text), { key, format: 'jwk', dsaEncoding: 'ieee-p1363' }, signature);
  assert.ok(isGood({ kty, crv, x, y }, expected));
  assert.ok(!isGood({ kty, crv, x, y }, expected.replace('DELETE', 'GET')));
  assert.ok(!isGood(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' }), expected));
});
