import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fold, matches } from '../build/search.js';

const content = { title: 'Frühstück im Café', text: 'Großer Kaffee,\nund Ελλάδα in der Zeitung.', tags: ['Reise', 'São Paulo'], written_at: '2026-01-01T00:00:00Z' };
const finds = (query) => matches(content, query);

test('neither capitals nor accents matter, in what is written and in what is searched for', () => {
  for (const query of ['cafe', 'CAFÉ', 'cafe\u0301', 'fruhstuck', 'FRÜHSTÜCK', 'grosser', 'GROSSER', 'großer', 'ελλαδα', 'sao']) assert.ok(finds(query), query);
  assert.equal(fold('Ärger, STRASSE, straße'), 'arger, strasse, strasse');
});

test('every word must be somewhere: title, text or tags', () => {
  assert.ok(finds('zeitung cafe reise'));
  assert.ok(!finds('zeitung tee'));
  assert.ok(finds('eitun'), 'parts of words');
  assert.ok(finds(''));
  assert.ok(finds('  '));
});

test('#word is a tag alone', () => {
  assert.ok(finds('#reise'));
  assert.ok(finds('#rei'));
  assert.ok(finds('#REISE kaffee'));
  assert.ok(!finds('#kaffee'));
  assert.ok(!finds('#paulo'), 'the beginning of one');
  assert.ok(finds('#'), 'not finished yet');
});

test('what means something to expressions is searched for as it is', () => {
  assert.ok(matches({ ...content, text: 'a (b) [c] .*' }, '.* (b)'));
  assert.ok(!finds('.*'));
});
