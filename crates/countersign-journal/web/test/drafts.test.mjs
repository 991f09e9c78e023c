import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Drafts, contentOf, draftOf, isChanged, parseTags } from '../build/drafts.js';

const now = new Date('2026-03-01T08:15:42.123Z');
const original = { title: 'Herons', text: 'Two.', tags: ['birds', 'river'], written_at: '2026-02-01T07:00:31.500Z' };
const importKey = () => crypto.subtle.importKey('raw', crypto.getRandomValues(new Uint8Array(32)), 'AES-GCM', false, ['encrypt', 'decrypt']);

test('tags are parted by commas, without marks, spaces and repetitions', () => {
  assert.deepEqual(parseTags(' birds, #river ,, # ,birds, São Paulo'), ['birds', 'river', 'São Paulo']);
  assert.deepEqual(parseTags(''), []);
});

test('what was not touched stays, to the millisecond', () => {
  const draft = draftOf('id', 1, original, now);
  assert.equal(isChanged(draft), false);
  assert.deepEqual(contentOf(draft), original);
  draft.fields.text = 'Three.';
  assert.equal(isChanged(draft), true);
  assert.deepEqual(contentOf(draft), { ...original, text: 'Three.' });
  draft.fields.written = '2026-02-02T12:30';
  assert.equal(contentOf(draft).written_at, new Date('2026-02-02T12:30').toISOString());
});

test('a new entry was written when it was begun, unless somebody says otherwise', () => {
  const draft = draftOf('id', 0, undefined, now);
  assert.equal(contentOf(draft).written_at, now.toISOString());
  draft.fields.written = '';
  assert.equal(contentOf(draft).written_at, now.toISOString());
  draft.fields.written = '2020-02-02T20:20';
  assert.equal(contentOf(draft).written_at, new Date('2020-02-02T20:20').toISOString());
});

test('drafts are sealed while the journal is locked, and come back with its key alone', async () => {
  const [key, other] = [await importKey(), await importKey()];
  const drafts = new Drafts();
  const draft = draftOf('one', 0, undefined, now);
  drafts.keep(draft);
  drafts.keep(draftOf('untouched', 1, original, now));
  assert.equal(drafts.unsaved, false, 'nothing was typed yet');
  draft.fields.text = 'a secret';
  await drafts.seal(key);
  assert.deepEqual(drafts.all(), []);
  assert.equal(drafts.unsaved, true);
  await drafts.unseal(other);
  assert.deepEqual(drafts.all(), []);
  assert.equal(drafts.unsaved, true, 'kept for the right key');
  await drafts.unseal(key);
  assert.deepEqual(drafts.all(), [JSON.parse(JSON.stringify(draft))]);
});

test('drafts of a journal that is gone become new entries', () => {
  const drafts = new Drafts();
  const draft = draftOf('old', 4, original, now);
  draft.fields.text = 'changed';
  drafts.keep(draft);
  drafts.detach(() => 'new');
  const [detached] = drafts.all();
  assert.deepEqual([detached.id, detached.base, detached.fields.text], ['new', 0, 'changed']);
});

test('sealed drafts whose key is gone with the journal are given up, and that is told', async () => {
  const drafts = new Drafts();
  const draft = draftOf('one', 0, undefined, now);
  draft.fields.text = 'a secret';
  drafts.keep(draft);
  await drafts.seal(await importKey());
  assert.equal(drafts.dropSealed(), true);
  assert.equal(drafts.unsaved, false, 'nothing keeps the person from leaving');
  assert.equal(drafts.dropSealed(), false);
});
