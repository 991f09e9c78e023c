import assert from 'node:assert/strict';
import { test } from 'node:test';

import { RecoveryKeyError, decode, encode } from '../build/recovery_key.js';

const key = Uint8Array.from({ length: 32 }, (_, at) => (at * 37 + 11) % 256);
const written = await encode(key);

test('a key is 14 groups of 4 characters, and comes back from them', async () => {
  assert.match(written, /^([0-9A-HJKMNP-TV-Z]{4}-){13}[0-9A-HJKMNP-TV-Z]{4}$/);
  assert.deepEqual(await decode(written), key);
  for (let round = 0; round < 50; round++) {
    const random = crypto.getRandomValues(new Uint8Array(32));
    assert.deepEqual(await decode(await encode(random)), random);
  }
});

test('the encoding stays what people have written down', async () => {
  // Of 0x00…1f; the checksum worked out apart, with Python's hashlib and base64.
  assert.equal(await encode(Uint8Array.from({ length: 32 }, (_, at) => at)), '000G-40R4-0M30-E209-185G-R38E-1W81-24GK-2GAH-C5RR-34D1-P70X-3RFQ-S54A');
});

test('it may be typed in small letters, with spaces or without anything, and with letters that look alike', async () => {
  const sloppy = written.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l');
  assert.deepEqual(await decode(`  ${sloppy}\n`), key);
  assert.deepEqual(await decode(written.replaceAll('-', '')), key);
  assert.deepEqual(await decode(written.replaceAll('1', 'I').replaceAll('-', '–')), key);
});

test('every single wrong character and every swap of neighbours is found', async () => {
  const plain = written.replaceAll('-', '');
  for (let at = 0; at < plain.length; at++) {
    const other = plain[at] === 'Z' ? 'Y' : 'Z';
    await assert.rejects(decode(plain.slice(0, at) + other + plain.slice(at + 1)), RecoveryKeyError, `character ${at}`);
    if (at > 0 && plain[at] !== plain[at - 1]) {
      const swapped = plain.slice(0, at - 1) + plain[at] + plain[at - 1] + plain.slice(at + 1);
      await assert.rejects(decode(swapped), RecoveryKeyError, `swap at ${at}`);
    }
  }
});

test('what is wrong is said', async () => {
  await assert.rejects(decode(''), /has 56 characters in 14 groups; these are 0/);
  await assert.rejects(decode(written.slice(0, -1)), /these are 55/);
  await assert.rejects(decode(`${written}0`), /these are 57/);
  await assert.rejects(decode(`${written.slice(0, -1)}U`), /no “U”/);
  await assert.rejects(decode(`${written.slice(0, -1)}é`), /no “É”/);
  await assert.rejects(decode(written.replace(/^./, (first) => (first === '5' ? '6' : '5'))), /is wrong/);
});
