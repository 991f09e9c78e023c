import type { Access } from './api.ts';
import type { App } from './app.ts';
import { short } from './dates.ts';
import { button, el, show } from './dom.ts';
import { isReadable } from './sync.ts';
import { titleOf } from './view_list.ts';

const words: Record<string, string> = {
  read: 'Read an entry',
  list: 'Listed entries',
  write: 'Wrote an entry',
  replace: 'Changed an entry',
  delete: 'Deleted an entry',
  vault_read: 'Fetched the wrapped keys',
  vault_write: 'Stored the wrapped keys',
  export: 'Exported everything',
  delete_all: 'Deleted everything',
  accesses_read: 'Read this log',
};

function item(app: App, { at, action, entry, client_id, outcome }: Access): HTMLElement {
  const known = entry === null ? undefined : app.journal.get(entry);
  const which = entry === null ? '' : known && isReadable(known) ? `: ${titleOf(known.content.title)}` : `: entry ${entry.slice(0, 8)}`;
  return el('li', {},
    el('p', {}, `${words[action] ?? action}${which}`, outcome === 'done' ? undefined : el('span', { class: 'mark refused' }, outcome === 'not_found' ? 'not there' : outcome)),
    el('p', { class: 'quiet small' }, el('time', { datetime: at }, short(new Date(at))), ` by ${client_id}`));
}

export function accessesView(app: App): void {
  const list = el('ol', { class: 'entries' });
  const state = el('p', { class: 'quiet', role: 'status' }, 'Getting the log…');
  let before: number | null | undefined;
  const more = button('Show older ones', () => void load(), { class: 'secondary', hidden: true });

  async function load(): Promise<void> {
    more.hidden = true;
    try {
      const page = await app.api.accesses(before);
      const items = page.accesses.map((access) => item(app, access));
      list.append(...items);
      // The button may be gone now; go on where the new ones begin.
      if (before != null && items[0]) {
        items[0].tabIndex = -1;
        items[0].focus();
      }
      before = page.before;
      more.hidden = before == null;
      state.textContent = list.childElementCount === 0 ? 'Nothing yet.' : '';
    } catch (error) {
      state.textContent = app.explain(error);
      more.hidden = false;
    }
  }

  show('Access log',
    el('h1', {}, 'Access log'),
    el('p', {}, 'Who asked the server for your entries and keys, as the server tells it.'),
    list, state, more);
  void load();
}
