import assert from 'node:assert/strict';
import { test } from 'node:test';

import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';

import { EntryError, isSame, newEntryId, open, seal } from '../build/entry.js';

const importKey = (extractable = false) => crypto.subtle.importKey('raw', crypto.getRandomValues(new Uint8Array(32)), 'AES-GCM', extractable, ['encrypt', 'decrypt']);
const key = await importKey();
const id = newEntryId();
const content = { title: 'Herons', text: 'Two of them, by the weir.\n🪶', tags: ['birds', 'river'], written_at: '2026-03-01T08:15:00.000Z' };
const body = await seal(key, id, 3, content);

const says = (message) => (error) => error instanceof EntryError && message.test(error.message);
const read = (changes) => open(key, { id, revision: 3, body, ...changes });

test('an entry is the JWE that was agreed on, and opens as what was written', async () => {
  assert.deepEqual(decodeProtectedHeader(body), { alg: 'dir', enc: 'A256GCM', typ: 'journal-entry', entry: id, revision: 3 });
  const [, encryptedKey, iv, , tag] = body.split('.');
  assert.equal(encryptedKey, '');
  assert.equal(Buffer.from(iv, 'base64url').length, 12);
  assert.equal(Buffer.from(tag, 'base64url').length, 16);
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual(await read({}), content);
  assert.deepEqual(JSON.parse(new TextDecoder().decode((await compactDecrypt(body, key)).plaintext)), content);
  assert.notEqual(await seal(key, id, 3, content), body, 'another IV each time');
});

test('a server that passes one entry or version off as another is found out', async () => {
  await assert.rejects(read({ id: newEntryId() }), says(/another entry/));
  await assert.rejects(read({ revision: 4 }), says(/another version/));
  await assert.rejects(read({ revision: '3' }), says(/another version/));
});

test('so is every change to any part of it', async () => {
  const parts = body.split('.');
  for (const at of [2, 3, 4]) {
    const bytes = Buffer.from(parts[at], 'base64url');
    bytes[0] ^= 1;
    const changed = parts.with?.(at, bytes.toString('base64url')) ?? [...parts.slice(0, at), bytes.toString('base64url'), ...parts.slice(at + 1)];
    await assert.rejects(read({ body: changed.join('.') }), says(/altered/), `part ${at}`);
  }
  // A header that says what is wanted, over a text of another.
  const forged = Buffer.from(JSON.stringify({ ...decodeProtectedHeader(body), revision: 4 })).toString('base64url');
  await assert.rejects(read({ revision: 4, body: [forged, ...parts.slice(1)].join('.') }), says(/altered/));
  // A shorter tag would be easier to forge.
  await assert.rejects(read({ body: [...parts.slice(0, 4), Buffer.from(parts[4], 'base64url').subarray(0, 12).toString('base64url')].join('.') }), says(/altered/));
});

test('another key does not open it', async () => {
  await assert.rejects(open(await importKey(), { id, revision: 3, body }), says(/another key/));
});

test('a header with anything else in it is refused', async () => {
  const other = (header) => new CompactEncrypt(new TextEncoder().encode(JSON.stringify(content)))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'journal-entry', entry: id, revision: 3, ...header }).encrypt(key);
  assert.deepEqual(await read({ body: await other({}) }), content);
  for (const header of [{ typ: 'journal-draft' }, { typ: undefined }, { kid: '1' }, { cty: 'json' }]) {
    await assert.rejects(read({ body: await other(header) }), says(/not encrypted as entries are/), JSON.stringify(header));
  }
  const direct = new CompactEncrypt(new Uint8Array(3)).setProtectedHeader({ alg: 'A256KW', enc: 'A256GCM', typ: 'journal-entry', entry: id, revision: 3 });
  await assert.rejects(read({ body: await direct.encrypt(new Uint8Array(32)) }), says(/not encrypted as entries are/));
  for (const nonsense of ['', 'a.b.c.d.e', 'not a JWE', '{}']) await assert.rejects(read({ body: nonsense }), says(/not encrypted as entries are/));
});

test('what is in it must be an entry', async () => {
  const of = (text) => new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'journal-entry', entry: id, revision: 3 }).encrypt(key);
  for (const change of [{ title: 1 }, { text: undefined }, { tags: 'birds' }, { tags: [1] }, { written_at: 'yesterday' }]) {
    await assert.rejects(read({ body: await of(JSON.stringify({ ...content, ...change })) }), says(/not an entry/), JSON.stringify(change));
  }
  for (const text of ['', 'null', '[]', '{"title":']) await assert.rejects(read({ body: await of(text) }), says(/not an entry/), text);
});

test('contents are compared by what is written', () => {
  assert.ok(isSame(content, { written_at: content.written_at, ...content, mood: 'ignored' }));
  assert.ok(!isSame(content, { ...content, tags: ['birds'] }));
});
