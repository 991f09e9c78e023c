import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';

import { advice, complaint } from '../build/passphrase.js';
import { VaultError, generateDataKey, generateRecoveryKey, unwrapByPassphrase, unwrapByRecoveryKey, wrapByPassphrase, wrapByRecoveryKey } from '../build/vault.js';

const passphrase = 'seven quiet herons by the weir';
const bytes = (text) => new TextEncoder().encode(text);
const jwk = (text) => JSON.parse(new TextDecoder().decode(text));

const { key, wrappable } = await generateDataKey();
const recoveryKey = generateRecoveryKey();
const vault = { passphrase: await wrapByPassphrase(wrappable, passphrase), recovery: await wrapByRecoveryKey(wrappable, recoveryKey) };

/** A wrapping as somebody else would make it. */
function wrapping(header, parameters = {}, plaintext = wrappable, secret = bytes(passphrase)) {
  return new CompactEncrypt(plaintext)
    .setProtectedHeader({ alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', cty: 'jwk+json', ...header })
    .setKeyManagementParameters({ p2c: 210_000, p2s: new Uint8Array(16), ...parameters })
    .encrypt(secret);
}

const refused = (message) => (error) => error instanceof VaultError && error.reason === 'refused' && message.test(error.message);

test('the data key is a JWK of 256 bits, and in use it cannot be taken out', async () => {
  assert.deepEqual({ ...jwk(wrappable), k: '' }, { kty: 'oct', k: '', alg: 'A256GCM' });
  assert.equal(Buffer.from(jwk(wrappable).k, 'base64url').length, 32);
  assert.equal(key.extractable, false);
  await assert.rejects(crypto.subtle.exportKey('raw', key));
  assert.equal((await unwrapByPassphrase(vault, passphrase)).key.extractable, false);
});

test('the wrappings are those that were agreed on, and open with jose alone', async () => {
  const { p2s, ...header } = decodeProtectedHeader(vault.passphrase);
  assert.deepEqual(header, { alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', cty: 'jwk+json', p2c: 600_000 });
  assert.equal(Buffer.from(p2s, 'base64url').length, 16);
  assert.deepEqual(decodeProtectedHeader(vault.recovery), { alg: 'A256KW', enc: 'A256GCM', cty: 'jwk+json' });
  assert.deepEqual((await compactDecrypt(vault.passphrase, bytes(passphrase), { keyManagementAlgorithms: [header.alg], maxPBES2Count: 1_000_000 })).plaintext, wrappable);
  assert.deepEqual((await compactDecrypt(vault.recovery, recoveryKey)).plaintext, wrappable);
});

test('both open it, and nothing else does', async () => {
  assert.deepEqual((await unwrapByPassphrase(vault, passphrase)).wrappable, wrappable);
  assert.deepEqual((await unwrapByRecoveryKey(vault, recoveryKey)).wrappable, wrappable);
  const notOpened = (error) => error instanceof VaultError && error.reason === 'not_opened';
  await assert.rejects(unwrapByPassphrase(vault, `${passphrase} `), notOpened);
  await assert.rejects(unwrapByRecoveryKey(vault, generateRecoveryKey()), notOpened);
  await assert.rejects(unwrapByRecoveryKey({ passphrase: vault.passphrase }, recoveryKey), refused(/no recovery key/));
});

test('a passphrase is the same however its letters are composed', async () => {
  const wrapped = { passphrase: await wrapByPassphrase(wrappable, 'caf\u00e9 au lait bien chaud') };
  assert.deepEqual((await unwrapByPassphrase(wrapped, 'cafe\u0301 au lait bien chaud')).wrappable, wrappable);
});

test('a server that asks for another protection gets no answer, before any work is done', async () => {
  const open = (jwe) => unwrapByPassphrase({ passphrase: jwe }, passphrase);
  assert.ok(await open(await wrapping({})));
  await assert.rejects(open(await wrapping({}, { p2c: 209_999 })), refused(/weaker or costlier/));
  // Not worked out: nobody would wait for it.
  const [, ...rest] = vault.passphrase.split('.');
  const pretend = (header) => [Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.');
  const header = decodeProtectedHeader(vault.passphrase);
  const began = performance.now();
  for (const p2c of [1_000_001, 2 ** 40, 600_000.5, '600000', undefined]) {
    await assert.rejects(open(pretend({ ...header, p2c })), refused(/weaker or costlier/), String(p2c));
  }
  assert.ok(performance.now() - began < 200);
  await assert.rejects(open(pretend({ ...header, p2s: 'AAAA' })), refused(/salt/));
  await assert.rejects(open(pretend({ ...header, alg: 'PBES2-HS256+A128KW' })), refused(/another way/));
  await assert.rejects(open(pretend({ ...header, enc: 'A128GCM' })), refused(/another way/));
  await assert.rejects(open(pretend({ ...header, cty: undefined })), refused(/another way/));
  await assert.rejects(open(vault.recovery), refused(/another way/));
  await assert.rejects(unwrapByRecoveryKey({ ...vault, recovery: vault.passphrase }, recoveryKey), refused(/another way/));
  await assert.rejects(open('nonsense'), refused(/not a wrapped key/));
});

test('what was wrapped must be a key', async () => {
  for (const text of ['', '{}', 'null', '{"kty":"oct","k":"c2hvcnQ"}', '{"kty":"EC","k":"x"}']) {
    const wrapped = await wrapping({}, {}, bytes(text));
    await assert.rejects(unwrapByPassphrase({ passphrase: wrapped }, passphrase), refused(/not a key/), text);
  }
});

test('a passphrase has 12 characters at least, as people count them, and is advised on', () => {
  assert.match(complaint('short'), /at least 12 characters; these are 5/);
  assert.match(complaint('🌻'.repeat(8)), /these are 8/);
  assert.match(complaint('abababababab'), /repetitive/);
  assert.equal(complaint(passphrase), undefined);
  assert.match(advice('short'), /At least 12/);
  assert.match(advice('qwertyuiopas'), /One or two more words/);
  assert.match(advice('four calm grey cats'), /^Good/);
  assert.match(advice(passphrase), /^Strong/);
});
