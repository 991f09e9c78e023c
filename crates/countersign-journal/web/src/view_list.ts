import type { App } from './app.ts';
import { dayNumber, full, month, time, weekday } from './dates.ts';
import { button, el, field, show } from './dom.ts';
import type { Draft } from './drafts.ts';
import { matches } from './search.ts';
import { type Kept, type Readable, type Unreadable, isReadable } from './sync.ts';

const excerptLength = 160;

export function titleOf(title: string): string {
  return title.trim() === '' ? 'Untitled' : title;
}

export function tagList(tags: string[]): HTMLElement | undefined {
  if (tags.length === 0) return undefined;
  return el('ul', { class: 'tags', 'aria-label': 'Tags' }, ...tags.map((tag) => el('li', {}, tag)));
}

function excerpt(text: string): string | undefined {
  const line = text.replace(/\s+/g, ' ').trim();
  if (line === '') return undefined;
  const characters = [...line];
  if (characters.length <= excerptLength) return line;
  // Not in the midst of a word, where there are words.
  return `${characters.slice(0, excerptLength).join('').replace(/(.{80,}) \S*$/, '$1')}…`;
}

function readableItem({ id, content, warning }: Readable): HTMLElement {
  const date = new Date(content.written_at);
  const words = excerpt(content.text);
  return el('li', { class: 'entry' },
    el('time', { datetime: content.written_at },
      el('span', { class: 'unseen' }, full(date)),
      el('span', { class: 'weekday', 'aria-hidden': 'true' }, weekday(date)),
      el('span', { class: 'day', 'aria-hidden': 'true' }, dayNumber(date))),
    el('div', {},
      el('h3', {}, el('a', { href: `#/entry/${id}` }, titleOf(content.title))),
      words === undefined ? undefined : el('p', { class: 'quiet' }, words),
      tagList(content.tags),
      warning === undefined ? undefined : el('p', { class: 'warning' }, `Take care: ${warning}.`)));
}

function items(entries: Kept[]): HTMLElement[] {
  const sections: HTMLElement[] = [];
  let [name, list]: [string, HTMLElement | undefined] = ['', undefined];
  for (const entry of entries.filter(isReadable)) {
    const here = month(new Date(entry.content.written_at));
    if (list === undefined || here !== name) {
      [name, list] = [here, el('ol', { class: 'timeline' })];
      sections.push(el('section', { class: 'month' }, el('h2', {}, here), list));
    }
    list.append(readableItem(entry));
  }
  return sections;
}

function unreadable(entries: Kept[]): HTMLElement | undefined {
  const list = entries.filter((entry): entry is Unreadable => !isReadable(entry));
  if (list.length === 0) return undefined;
  return el('section', { class: 'month' }, el('h2', {}, 'Cannot be read'),
    el('ul', { class: 'plain' }, ...list.map(({ id, reason }) => el('li', {}, el('p', {}, `Entry ${id.slice(0, 8)} cannot be read: ${reason}.`)))));
}

function draftsOf(drafts: Draft[]): HTMLElement | undefined {
  if (drafts.length === 0) return undefined;
  const link = (draft: Draft) => el('li', {}, el('a', { href: `#/edit/${draft.id}` }, titleOf(draft.fields.title)));
  return el('section', { class: 'notice', 'aria-labelledby': 'drafts' }, el('h2', { id: 'drafts' }, 'Not saved yet'), el('ul', { class: 'plain' }, ...drafts.map(link)));
}

export function listView(app: App): void {
  const count = el('p', { class: 'small quiet', role: 'status' });
  const list = el('div', {});
  const state = el('span', { class: 'small quiet' });
  const search = field('input', {
    label: 'Search',
    value: app.query,
    properties: { type: 'search', autocomplete: 'off', spellcheck: 'false', placeholder: 'Words, or #tag', input: () => {
      app.query = search.input.value;
      fill();
    } },
  });
  search.element.classList.add('search');

  function fill(): void {
    const everything = app.journal.list();
    const searching = app.query.trim() !== '';
    const found = searching ? everything.filter((entry) => isReadable(entry) && matches(entry.content, app.query)) : everything;
    const focused = document.activeElement instanceof HTMLAnchorElement && list.contains(document.activeElement) ? document.activeElement.hash : undefined;
    const nothing = searching ? 'Nothing found.' : app.lastSync.at === undefined ? 'Getting your entries…' : 'Nothing is written yet.';
    list.replaceChildren(...[
      draftsOf(app.drafts.all()),
      ...items(found),
      unreadable(found),
      found.length === 0 ? el('p', { class: 'empty quiet' }, nothing) : undefined,
    ].filter((element) => element !== undefined));
    count.textContent = searching ? `${found.length} of ${everything.length} entries` : '';
    search.element.hidden = everything.length === 0;
    state.textContent = app.lastSync.problem ?? (app.lastSync.at === undefined ? '' : `Up to date at ${time(app.lastSync.at)}`);
    // Drawn anew under whoever is there by keyboard.
    if (focused !== undefined) [...list.querySelectorAll('a')].find(({ hash }) => hash === focused)?.focus();
  }

  app.watcher = fill;
  show('Entries',
    el('div', { class: 'bar' }, el('h1', {}, 'Entries'), el('a', { class: 'button', href: '#/new' }, 'Write')),
    search.element,
    count,
    list,
    el('div', { class: 'bar foot' }, state, button('Sync now', () => {
      app.say('Syncing…');
      void app.sync().then(() => app.isOpen && app.say(app.lastSync.problem ?? 'Up to date.'));
    }, { class: 'link' })));
  fill();
}
