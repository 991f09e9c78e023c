// The data key, 256 random bits that every entry is encrypted with, and its two wrappings: by passphrase and by recovery key.
// The server keeps the wrappings and can open neither.

import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';

import { type Bytes, base64url, random, textOf, utf8 } from './bytes.ts';

/** As the server keeps it. */
export interface Vault {
  passphrase: string;
  recovery?: string;
}

/** A data key that has been unwrapped. `wrappable` is the plaintext of a wrapping, to wrap it anew; wipe it. */
export interface Unwrapped {
  key: CryptoKey;
  wrappable: Bytes;
}

export type VaultReason = 'not_opened' | 'refused';

export class VaultError extends Error {
  readonly reason: VaultReason;

  constructor(reason: VaultReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

export const rounds = 600_000;
/** A server that asks for less wants the passphrase guessed; one that asks for more wants the device busy. */
const fewestRounds = 210_000;
const mostRounds = 1_000_000;
const saltBytes = 16;
const keyBytes = 32;

const byPassphrase = { alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', cty: 'jwk+json' } as const;
const byRecoveryKey = { alg: 'A256KW', enc: 'A256GCM', cty: 'jwk+json' } as const;

/** Not extractable: a script in this page can use it while it runs, and take it nowhere. */
function importKey(bytes: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', bytes, 'AES-GCM', false, ['encrypt', 'decrypt']);
}

/** Keyboards differ in how they compose an “é”. */
function passphraseBytes(passphrase: string): Bytes {
  return utf8(passphrase.normalize('NFC'));
}

export async function generateDataKey(): Promise<Unwrapped> {
  const bytes = random(keyBytes);
  const wrappable = utf8(JSON.stringify({ kty: 'oct', k: base64url(bytes), alg: 'A256GCM' }));
  const key = await importKey(bytes);
  bytes.fill(0);
  return { key, wrappable };
}

export function generateRecoveryKey(): Bytes {
  return random(keyBytes);
}

export function wrapByPassphrase(wrappable: Bytes, passphrase: string): Promise<string> {
  return new CompactEncrypt(wrappable)
    .setProtectedHeader(byPassphrase)
    .setKeyManagementParameters({ p2c: rounds, p2s: random(saltBytes) })
    .encrypt(passphraseBytes(passphrase));
}

export function wrapByRecoveryKey(wrappable: Bytes, recoveryKey: Bytes): Promise<string> {
  return new CompactEncrypt(wrappable).setProtectedHeader(byRecoveryKey).encrypt(recoveryKey);
}

interface WrappingHeader {
  alg?: unknown;
  enc?: unknown;
  cty?: unknown;
  p2c?: unknown;
  p2s?: unknown;
}

/** What the server sent is looked at before any work is done for it. */
function checkHeader(jwe: string, expected: typeof byPassphrase | typeof byRecoveryKey): void {
  let header: WrappingHeader;
  try {
    header = decodeProtectedHeader(jwe) as WrappingHeader;
  } catch {
    throw new VaultError('refused', 'The server sent something that is not a wrapped key.');
  }
  if (header.alg !== expected.alg || header.enc !== expected.enc || header.cty !== expected.cty) {
    throw new VaultError('refused', 'The server sent a key that is wrapped in another way than this journal does.');
  }
  if (expected.alg === byPassphrase.alg) {
    const { p2c, p2s } = header;
    if (typeof p2c !== 'number' || !Number.isInteger(p2c) || p2c < fewestRounds || p2c > mostRounds) {
      throw new VaultError('refused', 'The server sent a key whose protection is weaker or costlier than this journal allows.');
    }
    if (typeof p2s !== 'string' || p2s.length < Math.ceil((saltBytes * 4) / 3)) {
      throw new VaultError('refused', 'The server sent a key whose protection lacks its salt.');
    }
  }
}

async function unwrap(jwe: string, secret: Bytes, expected: typeof byPassphrase | typeof byRecoveryKey, wrong: string): Promise<Unwrapped> {
  checkHeader(jwe, expected);
  let wrappable: Bytes;
  try {
    const { plaintext } = await compactDecrypt(jwe, secret, {
      keyManagementAlgorithms: [expected.alg],
      contentEncryptionAlgorithms: [expected.enc],
      maxPBES2Count: mostRounds,
    });
    wrappable = new Uint8Array(plaintext);
  } catch {
    throw new VaultError('not_opened', wrong);
  }
  const bytes = keyIn(wrappable);
  const key = await importKey(bytes);
  bytes.fill(0);
  return { key, wrappable };
}

function keyIn(wrappable: Bytes): Bytes {
  const wrong = new VaultError('refused', 'What was wrapped is not a key of a journal.');
  let jwk: { kty?: unknown; k?: unknown };
  try {
    jwk = JSON.parse(textOf(wrappable)) as typeof jwk;
  } catch {
    throw wrong;
  }
  if (jwk?.kty !== 'oct' || typeof jwk.k !== 'string' || !/^[A-Za-z0-9_-]{43}$/.test(jwk.k)) throw wrong;
  return Uint8Array.from(atob(jwk.k.replaceAll('-', '+').replaceAll('_', '/')), (character) => character.charCodeAt(0));
}

export function unwrapByPassphrase(vault: Vault, passphrase: string): Promise<Unwrapped> {
  return unwrap(vault.passphrase, passphraseBytes(passphrase), byPassphrase, 'That is not the passphrase of this journal.');
}

export function unwrapByRecoveryKey(vault: Vault, recoveryKey: Bytes): Promise<Unwrapped> {
  if (vault.recovery === undefined) {
    return Promise.reject(new VaultError('refused', 'This journal has no recovery key.'));
  }
  return unwrap(vault.recovery, recoveryKey, byRecoveryKey, 'That is not the recovery key of this journal. Perhaps a newer one was made.');
}
