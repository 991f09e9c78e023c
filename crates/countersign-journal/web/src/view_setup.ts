// The first use: a passphrase, and a recovery key for the day it is forgotten.

import type { App } from './app.ts';
import { Complaint, button, el, field, form, managerName, save, secretField, show } from './dom.ts';
import { is } from './errors.ts';
import { advice, complaint } from './passphrase.ts';
import { encode, groups, normalize } from './recovery_key.ts';
import { generateDataKey, generateRecoveryKey, wrapByPassphrase, wrapByRecoveryKey } from './vault.ts';

/** Two fields for a passphrase that is new, and what checks them. */
export function newPassphrase(label = 'Passphrase') {
  const hint = el('span', { 'aria-live': 'polite' }, advice(''));
  const first = secretField({ label, hint, properties: { autocomplete: 'new-password', input: () => {
    hint.textContent = advice(first.input.value);
  } } });
  const second = secretField({ label: 'The same again', properties: { autocomplete: 'new-password' } });
  return {
    elements: [managerName(), first.element, second.element],
    read(): string {
      const wrong = complaint(first.input.value);
      if (wrong !== undefined) throw new Complaint(wrong, first.input);
      if (first.input.value !== second.input.value) throw new Complaint('The two are not the same.', second.input);
      return first.input.value;
    },
  };
}

export interface Confirmation {
  /** As it is written down. */
  recoveryKey: string;
  heading: string;
  explain: (error: unknown) => string;
  /** Called when the person has it. */
  confirmed: () => Promise<void>;
  cancel: () => void;
}

/** Shows a recovery key, the one time, and goes on when it was written down. */
export function recoveryKeyView({ recoveryKey, heading, explain, confirmed, cancel }: Confirmation): void {
  const parts = recoveryKey.split('-');
  const asked = crypto.getRandomValues(new Uint32Array(1))[0]! % groups;
  const copied = el('span', { class: 'hint', role: 'status' });
  const typed = field('input', {
    label: `To be sure that you have it, type group ${asked + 1} of it`,
    properties: { autocomplete: 'off', autocapitalize: 'characters', spellcheck: 'false', maxlength: 8, class: 'key short', 'data-group': asked },
  });
  const text = `Recovery key of your journal at ${location.origin}\n\n${recoveryKey}\n\nWhoever has it and can sign in as you reads everything. Keep it apart from your passphrase.\n`;
  const onward = form({ explain, submit: async () => {
    if (normalize(typed.input.value) !== parts[asked]) throw new Complaint(`That is not group ${asked + 1}. Look again at what you wrote down.`, typed.input);
    await confirmed();
  } }, typed.element, el('div', { class: 'choice' }, button('Cancel', cancel, { class: 'secondary' }), el('button', { type: 'submit' }, 'I have it')));
  show(heading,
    el('h1', {}, heading),
    el('p', {}, 'It opens your journal if you forget your passphrase. It is shown this once, and nobody can give it to you again. Write it down, or keep it in a password manager.'),
    el('ol', { class: 'recovery-key', 'aria-label': 'Recovery key' }, ...parts.map((part) => el('li', {}, el('code', {}, part)))),
    el('div', { class: 'row' },
      button('Copy', () => void navigator.clipboard.writeText(recoveryKey).then(
        () => { copied.textContent = 'Copied. Clear your clipboard when you have put it away.'; },
        () => { copied.textContent = 'Your browser does not let this page copy. Write it down.'; },
      ), { class: 'secondary' }),
      button('Save as a file', () => save('journal-recovery-key.txt', 'text/plain', text), { class: 'secondary' })),
    copied,
    onward);
}

export function setupView(app: App): void {
  const passphrase = newPassphrase();
  const submit = async () => {
    const chosen = passphrase.read();
    const recoveryKey = generateRecoveryKey();
    const { key, wrappable } = await generateDataKey();
    const vault = { passphrase: await wrapByPassphrase(wrappable, chosen), recovery: await wrapByRecoveryKey(wrappable, recoveryKey) };
    wrappable.fill(0);
    const shown = await encode(recoveryKey);
    recoveryKey.fill(0);
    app.showsSecret = true;
    recoveryKeyView({
      recoveryKey: shown,
      heading: 'Your recovery key',
      explain: app.explain,
      cancel: () => app.route(),
      async confirmed() {
        try {
          await app.api.putVault(vault);
        } catch (error) {
          if (!is(error, 412)) throw error;
          app.hasVault = true;
          app.route('Another device was faster and set your journal up. Use the passphrase that was chosen there; the recovery key you just saw is good for nothing.');
          return;
        }
        await app.open(key, 'Your journal is ready.');
      },
    });
  };
  show('Set up',
    el('h1', {}, 'Choose a passphrase'),
    el('p', {}, 'It encrypts your journal, on this device. It is not your password for signing in, and never leaves this page: who runs the server can neither read your entries nor reset it.'),
    form({ submit, explain: app.explain }, ...passphrase.elements, el('button', { type: 'submit' }, 'Go on')));
}
