// What another library made (josekit, in tests/it/ciphertext.rs) opens here. What is made here opens there.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { open } from '../build/entry.js';
import { unwrapByPassphrase, unwrapByRecoveryKey } from '../build/vault.js';

const made = JSON.parse(await readFile(new URL('../../tests/fixtures/josekit.json', import.meta.url), 'utf8'));

test('a journal that another library made opens, by passphrase and by recovery key', async () => {
  const recoveryKey = new Uint8Array(Buffer.from(made.recovery_key, 'base64url'));
  for (const { key } of [await unwrapByPassphrase(made.vault, made.passphrase), await unwrapByRecoveryKey(made.vault, recoveryKey)]) {
    assert.deepEqual(await open(key, made.entry), made.content);
  }
});
