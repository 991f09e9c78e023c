// Passphrase and recovery key are wrappings of the data key: changing them touches no entry.

import type { App } from './app.ts';
import { Complaint, button, el, form, managerName, secretField, show } from './dom.ts';
import { is } from './errors.ts';
import { encode } from './recovery_key.ts';
import { type Unwrapped, type Vault, VaultError, generateRecoveryKey, unwrapByPassphrase, wrapByPassphrase, wrapByRecoveryKey } from './vault.ts';
import { newPassphrase, recoveryKeyView } from './view_setup.ts';
import { freshVault } from './view_unlock.ts';

function currentPassphrase() {
  const { element, input } = secretField({ label: 'Your passphrase now', properties: { autocomplete: 'current-password' } });
  return {
    element,
    /** The data key in use cannot be taken out of the browser, so it is unwrapped once more. */
    async unwrap(app: App): Promise<{ unwrapped: Unwrapped; vault: Vault; etag: string }> {
      if (input.value === '') throw new Complaint('Type the passphrase that you have now.', input);
      const { vault, etag } = await freshVault(app);
      try {
        return { unwrapped: await unwrapByPassphrase(vault, input.value), vault, etag };
      } catch (error) {
        if (error instanceof VaultError) throw new Complaint(error.message, input);
        throw error;
      }
    },
  };
}

async function replace(app: App, vault: Vault, etag: string): Promise<void> {
  try {
    await app.api.putVault(vault, etag);
  } catch (error) {
    if (is(error, 412)) throw new Complaint('The keys were changed on another device meanwhile. Try again.');
    throw error;
  }
}

export function keysView(app: App): void {
  show('Keys',
    el('h1', {}, 'Keys'),
    el('p', {}, 'One key encrypts your entries. It is kept by the server in two wrappings, which only you can open: with your passphrase, or with your recovery key. Changing either leaves the entries as they are.'),
    el('div', { class: 'stack' },
      button('Change the passphrase', () => passphraseView(app), { class: 'secondary' }),
      button('Make a new recovery key', () => newRecoveryKeyView(app), { class: 'secondary' })));
}

function passphraseView(app: App): void {
  const current = currentPassphrase();
  const next = newPassphrase('New passphrase');
  const submit = async () => {
    const passphrase = next.read();
    const { unwrapped, vault, etag } = await current.unwrap(app);
    const wrapped = await wrapByPassphrase(unwrapped.wrappable, passphrase);
    unwrapped.wrappable.fill(0);
    await replace(app, { ...vault, passphrase: wrapped }, etag);
    app.go('#/keys', 'Your passphrase is changed, for all your devices.');
  };
  const [manager, ...fields] = next.elements;
  app.say('');
  show('Change the passphrase',
    el('h1', {}, 'Change the passphrase'),
    form({ submit, explain: app.explain }, manager, current.element, ...fields,
      el('div', { class: 'choice' }, button('Cancel', () => app.route(), { class: 'secondary' }), el('button', { type: 'submit' }, 'Change it'))));
}

function newRecoveryKeyView(app: App): void {
  const current = currentPassphrase();
  const submit = async () => {
    const { unwrapped, vault, etag } = await current.unwrap(app);
    const recoveryKey = generateRecoveryKey();
    const recovery = await wrapByRecoveryKey(unwrapped.wrappable, recoveryKey);
    unwrapped.wrappable.fill(0);
    const shown = await encode(recoveryKey);
    recoveryKey.fill(0);
    recoveryKeyView({
      recoveryKey: shown,
      heading: 'Your new recovery key',
      explain: app.explain,
      cancel: () => app.route('The recovery key that you had stays good.'),
      async confirmed() {
        await replace(app, { ...vault, recovery }, etag);
        app.go('#/keys', 'Your new recovery key is good from now on, and the old one no longer.');
      },
    });
  };
  app.say('');
  show('New recovery key',
    el('h1', {}, 'Make a new recovery key'),
    el('p', {}, 'The one that you have stops working as soon as you have confirmed the new one.'),
    form({ submit, explain: app.explain }, managerName(), current.element,
      el('div', { class: 'choice' }, button('Cancel', () => app.route(), { class: 'secondary' }), el('button', { type: 'submit' }, 'Go on'))));
}
