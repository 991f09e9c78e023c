// The page as a whole: who is signed in, whether the journal is open, and which view is shown.

import { Api } from './api.ts';
import { Drafts } from './drafts.ts';
import { newEntryId } from './entry.ts';
import { ask, button, byId, el, show } from './dom.ts';
import { ApiError, SignedOut, explain } from './errors.ts';
import { whenIdle } from './idle.ts';
import { type Intention, Provider, Session, signedOutState, takePending } from './session.ts';
import { loadSettings } from './settings.ts';
import { Journal, JournalGone, type Seen } from './sync.ts';
import { accessesView } from './view_accesses.ts';
import { dataView } from './view_data.ts';
import { editorView, newEntry } from './view_editor.ts';
import { entryView } from './view_entry.ts';
import { keysView } from './view_keys.ts';
import { listView } from './view_list.ts';
import { setupView } from './view_setup.ts';
import { welcomeView, returnedView } from './view_start.ts';
import { unlockView } from './view_unlock.ts';

export const lostDrafts = 'What you had not saved when you locked is lost: it was encrypted with a key that is gone.';
const idleMinutes = 15;
const syncSeconds = 30;
const channelName = 'journal-sign-in';
const places: [hash: string, name: string][] = [['#/', 'Entries'], ['#/keys', 'Keys'], ['#/data', 'Your data'], ['#/accesses', 'Access log']];

export class App {
  readonly session: Session;
  readonly api: Api;
  readonly drafts = new Drafts();
  /** What the person was about to do when they were sent to sign in again. */
  intention: Intention | undefined;
  /** Whether the server has a vault; where it has none, this is the first use. */
  hasVault = true;
  key: CryptoKey | undefined;
  lastSync: { at?: Date; problem?: string } = {};
  /** The view that wants to know when entries or the state of their sync changed. */
  watcher: (() => void) | undefined;
  query = '';
  /** Whether a view holds a key that is not in use yet: a recovery key that is shown, or one that has just been opened. */
  showsSecret = false;
  readonly #seen: Seen = new Map();
  #journal: Journal | undefined;
  #leaving = false;
  #syncNotBefore = 0;

  constructor(session: Session, intention: Intention | undefined) {
    this.session = session;
    this.intention = intention;
    this.api = new Api(session, session.provider.settings.audience);
  }

  get journal(): Journal {
    if (this.#journal === undefined) throw new Error('the journal is locked');
    return this.#journal;
  }

  get isOpen(): boolean {
    return this.#journal !== undefined;
  }

  async start(): Promise<void> {
    addEventListener('hashchange', () => this.route());
    addEventListener('beforeunload', (event) => {
      if (this.drafts.unsaved && !this.#leaving) event.preventDefault();
    });
    // A page that the browser kept for the way back would be open still.
    addEventListener('pageshow', (event) => event.persisted && location.reload());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') void this.syncQuietly();
    });
    setInterval(() => document.visibilityState === 'visible' && void this.syncQuietly(), syncSeconds * 1000);
    whenIdle(idleMinutes, () => this.isOpen || this.showsSecret, () => void this.lock(`Locked, since nothing was done here for ${idleMinutes} minutes.`));
    const channel = new BroadcastChannel(channelName);
    channel.addEventListener('message', ({ data }) => void this.#resume(channel, data));
    if (this.intention !== undefined) history.replaceState(null, '', '#/data');
    await this.findVault();
  }

  /** Asks the server whether there is a vault, and goes on accordingly. */
  async findVault(message?: string): Promise<void> {
    try {
      this.hasVault = (await this.api.vault()) !== undefined;
    } catch (error) {
      show('No answer', el('h1', {}, 'Your journal cannot be reached'), el('p', { class: 'alert', role: 'alert' }, this.explain(error)),
        button('Try again', () => void this.findVault()));
      return;
    }
    this.route(message);
  }

  /** What went wrong, for people; and the way back in, where their sign-in has ended. */
  readonly explain = (error: unknown): string => {
    if (error instanceof SignedOut) void this.#offerSignIn();
    return explain(error);
  };

  say(message: string): void {
    byId('status').textContent = message;
  }

  go(hash: string, message?: string): void {
    if (location.hash !== hash) history.pushState(null, '', hash);
    this.route(message);
  }

  route(message = ''): void {
    this.watcher = undefined;
    this.showsSecret = false;
    this.#frame();
    this.say(message);
    const [, place = '', id = ''] = location.hash.split('/');
    if (!this.hasVault) return setupView(this);
    if (place === 'data') return dataView(this);
    if (!this.isOpen) return unlockView(this);
    switch (place) {
      case 'new': return newEntry(this);
      case 'edit': return editorView(this, id);
      case 'entry': return entryView(this, id);
      case 'keys': return keysView(this);
      case 'accesses': return accessesView(this);
      default: return listView(this);
    }
  }

  /** What stands around every view. */
  #frame(): void {
    const actions = byId('actions');
    actions.replaceChildren(
      ...(this.isOpen ? [button('Lock', () => void this.lock('Locked.'), { class: 'quiet-button' })] : []),
      button('Sign out', () => void this.signOut(), { class: 'quiet-button' }));
    const nav = byId('places');
    nav.hidden = !this.isOpen;
    const here = `#/${location.hash.split('/')[1] ?? ''}`;
    const link = ([hash, name]: [string, string]) => el('li', {}, el('a', { href: hash, 'aria-current': here === hash ? 'page' : undefined }, name));
    nav.replaceChildren(el('ul', {}, ...places.map(link)));
  }

  async open(key: CryptoKey, message?: string): Promise<void> {
    this.key = key;
    this.hasVault = true;
    this.#journal = new Journal(this.api, key, this.#seen);
    this.lastSync = {};
    await this.drafts.unseal(key);
    this.route(this.drafts.dropSealed() ? lostDrafts : message);
    void this.syncQuietly();
  }

  async lock(message: string): Promise<void> {
    const key = this.key;
    this.#forget();
    // The heading of the place where one is says more than is good while it is locked.
    if (!location.hash.startsWith('#/data')) history.replaceState(null, '', '#/');
    this.route(message);
    if (key !== undefined) await this.drafts.seal(key);
  }

  #forget(): void {
    this.#journal?.forget();
    [this.#journal, this.key, this.query] = [undefined, undefined, ''];
    for (const dialog of document.querySelectorAll('dialog')) dialog.close();
  }

  /** Somebody deleted everything. Drafts are the person's and stay. */
  async startAgain(message: string): Promise<void> {
    this.#forget();
    this.drafts.detach(newEntryId);
    history.replaceState(null, '', '#/');
    await this.findVault(this.drafts.dropSealed() ? `${message} ${lostDrafts}` : message);
  }

  /** The server says that everything was deleted. */
  async gone(): Promise<void> {
    await this.startAgain('Your journal was deleted, here or on another device. What you had not saved is still here.');
  }

  async sync(): Promise<void> {
    const journal = this.#journal;
    if (journal === undefined) return;
    try {
      await journal.sync();
      this.lastSync = { at: new Date() };
    } catch (error) {
      if (error instanceof JournalGone) {
        if (journal === this.#journal) await this.gone();
        return;
      }
      if (error instanceof ApiError && error.retryAfter !== undefined) this.#syncNotBefore = Date.now() + error.retryAfter * 1000;
      this.lastSync = { ...this.lastSync, problem: this.explain(error) };
    }
    this.watcher?.();
  }

  async syncQuietly(): Promise<void> {
    if (Date.now() >= this.#syncNotBefore) await this.sync();
  }

  /** Whether the page may be left for the provider; a draft would be lost. */
  get canLeave(): boolean {
    return !this.drafts.unsaved;
  }

  async leaveToStepUp(intention: Intention, error: ApiError): Promise<void> {
    await this.session.provider.leave({ intention, ...error.challenge, ...this.session.person });
  }

  async signOut(): Promise<void> {
    const question = {
      title: 'Sign out without saving?',
      text: 'What you typed and did not save would be lost.',
      yes: 'Sign out',
      no: 'Stay',
    };
    if (!this.canLeave && !(await ask(question))) return;
    this.drafts.clear();
    this.#forget();
    show('Signing out', el('h1', {}, 'Signing out…'));
    byId('places').hidden = true;
    this.#leaving = true;
    try {
      await this.session.end();
    } catch (error) {
      this.#leaving = false;
      this.route(`You are not signed out at the provider: ${this.explain(error)}`);
    }
  }

  async #offerSignIn(): Promise<void> {
    const banner = byId('banner');
    if (!banner.hidden) return;
    banner.hidden = false;
    banner.replaceChildren(el('p', {}, 'Your sign-in has ended. '));
    try {
      const href = await this.session.addressToSignInAgain();
      banner.firstElementChild?.append(el('a', { href, target: '_blank', rel: 'noopener noreferrer' }, 'Sign in again'),
        ' in a new tab. What is on this page stays.');
    } catch {
      banner.hidden = true;
    }
  }

  async #resume(channel: BroadcastChannel, search: unknown): Promise<void> {
    if (typeof search !== 'string' || search === '') return;
    try {
      if (!(await this.session.resume(new URLSearchParams(search)))) return;
      channel.postMessage('');
      byId('banner').hidden = true;
      this.say('You are signed in again.');
      void this.syncQuietly();
    } catch (error) {
      byId('banner').hidden = true;
      this.say(`You are not signed in again: ${this.explain(error)}`);
    }
  }
}

/** Hands the answer to the tab that asked for it. False where none takes it. */
function handOver(search: string): Promise<boolean> {
  const patience = 4000;
  return new Promise((resolve) => {
    const channel = new BroadcastChannel(channelName);
    const end = (taken: boolean) => {
      channel.close();
      resolve(taken);
    };
    channel.addEventListener('message', ({ data }) => data === '' && end(true));
    setTimeout(() => end(false), patience);
    channel.postMessage(search);
  });
}

async function main(): Promise<void> {
  const provider = new Provider(await loadSettings());
  const search = location.search;
  const answer = new URLSearchParams(search);
  const pending = takePending();
  // Code and state are used up; neither history nor a reload should have them.
  if (search !== '') history.replaceState(null, '', '/');
  const enter = async () => {
    try {
      await provider.leave();
    } catch (error) {
      welcomeView(enter, explain(error));
    }
  };
  if (!answer.has('state')) {
    const [navigation] = performance.getEntriesByType('navigation') as PerformanceNavigationTiming[];
    // Whoever reloads was in, and goes back in; the provider remembers them.
    return navigation?.type === 'reload' ? enter() : welcomeView(enter);
  }
  if (answer.get('state') === signedOutState) return welcomeView(enter, undefined, 'You are signed out.');
  if (pending === undefined || pending.state !== answer.get('state')) {
    return (await handOver(search)) ? returnedView() : welcomeView(enter, 'That sign-in was begun elsewhere, or used before. Sign in again.');
  }
  try {
    await new App(await Session.begin(provider, answer, pending), pending.intention).start();
  } catch (error) {
    const refused = answer.get('error') === 'access_denied';
    welcomeView(enter, refused ? 'You are not signed in, since the journal was not allowed to read and write.' : `You are not signed in. ${explain(error)}`);
  }
}

main().catch((error: unknown) => {
  show('No answer', el('h1', {}, 'The journal cannot be reached'), el('p', {}, explain(error)), button('Try again', () => location.reload()));
});
