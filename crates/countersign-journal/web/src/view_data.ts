// A copy of everything, and the end of everything. Both want a fresh sign-in with a second factor, and a signed request.

import type { Export } from './api.ts';
import type { App } from './app.ts';
import { Complaint, button, el, field, form, save, show } from './dom.ts';
import { ApiError } from './errors.ts';
import { EntryError, open } from './entry.ts';
import type { Intention } from './session.ts';

const word = 'delete';

/** Does it; or sends the person to the provider first, where it asks for that. */
async function stepUp<T>(app: App, intention: Intention, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError) || error.code !== 'insufficient_user_authentication') throw error;
    if (!app.canLeave) throw new Complaint('This needs you to sign in again, and you have something that is not saved. Save or discard it first.');
    await app.leaveToStepUp(intention, error);
    return undefined;
  }
}

/** The entries of an export, as far as they open. */
async function decrypted(exported: Export, key: CryptoKey): Promise<string> {
  const entries: object[] = [];
  const unreadable: object[] = [];
  for (const entry of exported.entries) {
    try {
      entries.push({ id: entry.id, revision: entry.revision, ...(await open(key, entry)) });
    } catch (error) {
      if (!(error instanceof EntryError)) throw error;
      unreadable.push({ id: entry.id, revision: entry.revision, reason: error.message });
    }
  }
  return JSON.stringify({ exported_at: exported.exported_at, entries, unreadable }, undefined, 2);
}

function returnNotice(app: App): HTMLElement | undefined {
  const { intention } = app;
  app.intention = undefined;
  if (intention === undefined) return undefined;
  if (app.session.acr !== app.session.provider.settings.acr_of_mfa) {
    return el('div', { class: 'alert', role: 'alert' }, el('p', {}, 'You signed in without a second factor. Export and deletion need one: set it up in your account at the provider, and try again.'));
  }
  const what = intention === 'export' ? 'Press “Export” again now.' : `Type “${word}” and press “Delete everything” again now.`;
  const unlock = intention === 'export' && !app.isOpen ? ' For a copy that you can read, unlock your journal first.' : '';
  return el('div', { class: 'notice', role: 'status' }, el('p', {}, `You have confirmed that it is you. ${what}${unlock}`));
}

export function dataView(app: App): void {
  const files = el('div', { class: 'stack', role: 'status' });
  const day = () => new Date().toISOString().slice(0, 10);

  const offer = async (exported: Export) => {
    const { key } = app;
    const encrypted = button('Save the encrypted copy', () => save(`journal-${day()}-encrypted.json`, 'application/json', exported.raw), { class: 'secondary' });
    if (key === undefined) {
      files.replaceChildren(el('p', {}, 'Your export is here. It is encrypted; your passphrase or your recovery key opens it.'), encrypted);
      return;
    }
    files.replaceChildren(
      el('p', {}, `Your export is here: ${exported.entries.length} ${exported.entries.length === 1 ? 'entry' : 'entries'}.`),
      // Decrypted when it is asked for, and kept by nobody.
      button('Save a copy that anybody can read', () => {
        // Locked meanwhile: the key is not for use any more.
        if (app.key === key) void decrypted(exported, key).then((text) => save(`journal-${day()}.json`, 'application/json', text));
      }),
      encrypted);
  };
  const exporting = form({ explain: app.explain, submit: async () => {
    files.replaceChildren();
    const exported = await stepUp(app, 'export', () => app.api.export());
    if (exported !== undefined) await offer(exported);
  } }, el('button', { type: 'submit' }, 'Export'), files);

  const typed = field('input', { label: `Type “${word}” to confirm`, properties: { autocomplete: 'off', autocapitalize: 'none', spellcheck: 'false', class: 'short' } });
  const deleting = form({ explain: app.explain, submit: async () => {
    if (typed.input.value.trim().toLowerCase() !== word) throw new Complaint(`Nothing is deleted. Type “${word}” first.`, typed.input);
    const done = await stepUp(app, 'delete', () => app.api.removeEverything().then(() => true));
    if (done) await app.startAgain('Everything is deleted.');
  } }, typed.element, el('button', { type: 'submit', class: 'danger' }, 'Delete everything'));

  const notice = returnNotice(app);
  show('Your data',
    app.isOpen ? undefined : el('p', { class: 'back' }, el('a', { href: '#/' }, 'Unlock your journal')),
    el('h1', {}, 'Your data'),
    notice,
    el('p', {}, 'For both of these you sign in once more, with your second factor.'),
    el('h2', {}, 'Take a copy'),
    el('p', {}, app.isOpen ? 'All entries and your wrapped keys: as the server has them, and in a form that you can read.' : 'All entries and your wrapped keys, encrypted as the server has them. Unlock your journal for a copy that you can read.'),
    exporting,
    el('h2', {}, 'Delete everything'),
    el('p', {}, 'All entries and keys, on the server and so on all your devices. Nobody can bring them back.'),
    deleting);
}
