import { type App, lostDrafts } from './app.ts';
import { Complaint, button, el, field, form, managerName, secretField, show } from './dom.ts';
import { is } from './errors.ts';
import { RecoveryKeyError, decode } from './recovery_key.ts';
import { type KeptVault } from './api.ts';
import { type Unwrapped, VaultError, unwrapByPassphrase, unwrapByRecoveryKey, wrapByPassphrase } from './vault.ts';
import { newPassphrase } from './view_setup.ts';

/** The vault as it is now: its passphrase may have changed since the page was loaded. */
export async function freshVault(app: App): Promise<KeptVault> {
  const kept = await app.api.vault();
  if (kept === undefined) {
    app.hasVault = false;
    const lost = app.drafts.dropSealed() ? ` ${lostDrafts}` : '';
    app.route(`Your journal was deleted on another device.${lost} You can begin a new one.`);
    throw new Complaint('Your journal was deleted.');
  }
  return kept;
}

export function unlockView(app: App): void {
  const { element, input } = secretField({ label: 'Passphrase', properties: { autocomplete: 'current-password' } });
  const submit = async () => {
    if (input.value === '') throw new Complaint('Type your passphrase.', input);
    const { vault } = await freshVault(app);
    let unwrapped: Unwrapped;
    try {
      unwrapped = await unwrapByPassphrase(vault, input.value);
    } catch (error) {
      if (!(error instanceof VaultError)) throw error;
      input.select();
      throw new Complaint(error.message, input);
    }
    unwrapped.wrappable.fill(0);
    await app.open(unwrapped.key);
  };
  show('Unlock',
    el('h1', {}, 'Unlock your journal'),
    app.drafts.unsaved ? el('p', { class: 'quiet' }, 'What you had not saved is kept, encrypted, and comes back when you unlock.') : undefined,
    form({ submit, explain: app.explain }, managerName(), element, el('button', { type: 'submit' }, 'Unlock')),
    el('ul', { class: 'links' },
      el('li', {}, button('Use the recovery key', () => recoverView(app), { class: 'link' })),
      el('li', {}, el('a', { href: '#/data' }, 'Export or delete'))));
  input.focus();
}

function recoverView(app: App): void {
  const { element, input } = field('textarea', {
    label: 'Recovery key',
    hint: '14 groups of 4. Small or capital letters, with or without dashes.',
    properties: { autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false', rows: 3, class: 'key' },
  });
  const submit = async () => {
    try {
      const recoveryKey = await decode(input.value);
      const kept = await freshVault(app);
      const unwrapped = await unwrapByRecoveryKey(kept.vault, recoveryKey);
      recoveryKey.fill(0);
      offerPassphrase(app, kept, unwrapped);
    } catch (error) {
      if (error instanceof RecoveryKeyError || error instanceof VaultError) throw new Complaint(error.message, input);
      throw error;
    }
  };
  app.say('');
  show('Recover',
    el('h1', {}, 'Use your recovery key'),
    form({ submit, explain: app.explain }, element,
      el('div', { class: 'choice' }, button('Back', () => app.route(), { class: 'secondary' }), el('button', { type: 'submit' }, 'Unlock'))));
  input.focus();
}

function offerPassphrase(app: App, { vault, etag }: KeptVault, { key, wrappable }: Unwrapped): void {
  const passphrase = newPassphrase('New passphrase');
  const enter = (message?: string) => {
    wrappable.fill(0);
    return app.open(key, message);
  };
  const submit = async () => {
    const wrapped = await wrapByPassphrase(wrappable, passphrase.read());
    try {
      await app.api.putVault({ ...vault, passphrase: wrapped }, etag);
    } catch (error) {
      if (is(error, 412)) return enter('The passphrase was changed on another device meanwhile, so it was not changed here.');
      throw error;
    }
    return enter('Your passphrase is changed.');
  };
  app.say('');
  app.showsSecret = true;
  show('New passphrase',
    el('h1', {}, 'Choose a new passphrase'),
    el('p', {}, 'Your recovery key is right, and stays good. If you forgot your passphrase, choose another one now.'),
    form({ submit, explain: app.explain }, ...passphrase.elements,
      el('div', { class: 'choice' }, button('Not now', () => void enter(), { class: 'secondary' }), el('button', { type: 'submit' }, 'Change it'))));
}
