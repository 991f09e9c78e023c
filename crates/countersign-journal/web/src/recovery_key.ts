// How a recovery key is written down: 32 bytes and 3 of a checksum are 280 bits, which is 56 characters of Crockford's
// base32, in 14 groups of four.

import { type Bytes, sha256, utf8 } from './bytes.ts';

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const keyBytes = 32;
const checksumBytes = 3;
const groupLength = 4;
export const characters = ((keyBytes + checksumBytes) * 8) / 5;
export const groups = characters / groupLength;

/** Told to whoever typed it. */
export class RecoveryKeyError extends Error {}

// With a name of its own, so that nothing else's checksum fits.
async function checksum(key: Bytes): Promise<Bytes> {
  const name = utf8('countersign-journal recovery key\n');
  const named = new Uint8Array(name.length + key.length);
  named.set(name);
  named.set(key, name.length);
  return (await sha256(named)).slice(0, checksumBytes);
}

/** `XXXX-XXXX-…`, 14 groups. */
export async function encode(key: Bytes): Promise<string> {
  const bytes = [...key, ...(await checksum(key))];
  let text = '';
  let [bits, count] = [0, 0];
  for (const byte of bytes) {
    bits = (bits << 8) | byte;
    count += 8;
    while (count >= 5) {
      count -= 5;
      text += alphabet.charAt((bits >> count) & 31);
    }
    bits &= (1 << count) - 1;
  }
  return (text.match(/.{4}/g) ?? []).join('-');
}

/** What people type for the same thing: small letters, spaces, O for 0, I and L for 1. */
export function normalize(typed: string): string {
  return typed.toUpperCase().replace(/[\s\-\u2010-\u2015]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1');
}

export async function decode(typed: string): Promise<Bytes> {
  const text = normalize(typed);
  const strange = [...text].find((character) => !alphabet.includes(character));
  if (strange !== undefined) throw new RecoveryKeyError(`A recovery key has no “${strange}” in it.`);
  if (text.length !== characters) {
    throw new RecoveryKeyError(`A recovery key has ${characters} characters in ${groups} groups; these are ${text.length}.`);
  }
  const bytes: number[] = [];
  let [bits, count] = [0, 0];
  for (const character of text) {
    bits = (bits << 5) | alphabet.indexOf(character);
    count += 5;
    if (count >= 8) {
      count -= 8;
      bytes.push((bits >> count) & 255);
      bits &= (1 << count) - 1;
    }
  }
  const key = Uint8Array.from(bytes.slice(0, keyBytes));
  const expected = await checksum(key);
  if (!expected.every((byte, at) => byte === bytes[keyBytes + at])) {
    throw new RecoveryKeyError('A character of this recovery key is wrong. Compare it with what you wrote down.');
  }
  return key;
}
