import type { App } from './app.ts';
import { full } from './dates.ts';
import { ask, button, el, show } from './dom.ts';
import { is } from './errors.ts';
import { isReadable } from './sync.ts';
import { tagList, titleOf } from './view_list.ts';

export function entryView(app: App, id: string): void {
  const entry = app.journal.get(id);
  const back = el('p', { class: 'back' }, el('a', { href: '#/' }, 'All entries'));
  if (entry === undefined) {
    // It may still be on its way.
    app.watcher = () => app.journal.get(id) && app.route();
    return show('Not here', back, el('h1', {}, 'This entry is not here'), el('p', {}, 'It was deleted, or has not been synced yet.'));
  }
  if (!isReadable(entry)) return show('Cannot be read', back, el('h1', {}, 'This entry cannot be read'), el('p', {}, `The reason: ${entry.reason}.`));
  const { content, revision } = entry;

  const remove = async () => {
    const question = { title: 'Delete this entry?', text: `“${titleOf(content.title)}” is deleted on all your devices, for good.`, yes: 'Delete' };
    if (!(await ask(question))) return;
    try {
      await app.journal.remove(id, revision);
    } catch (error) {
      if (!is(error, 412)) return app.say(`The entry was not deleted. ${app.explain(error)}`);
      await app.sync();
      return app.route('The entry was changed on another device meanwhile. Look at it again before you delete it.');
    }
    app.drafts.drop(id);
    app.go('#/', 'The entry is deleted.');
  };

  app.watcher = () => app.journal.get(id)?.revision !== revision && app.route('This entry was changed on another device.');
  // Not by its own title: browsers keep those of pages in their history, on disk.
  show('Entry',
    back,
    el('article', {},
      el('h1', {}, titleOf(content.title)),
      el('p', { class: 'quiet small' }, el('time', { datetime: content.written_at }, full(new Date(content.written_at)))),
      entry.warning === undefined ? undefined : el('div', { class: 'alert' }, el('p', {}, `Take care: ${entry.warning}.`)),
      el('div', { class: 'text' }, content.text),
      tagList(content.tags)),
    el('div', { class: 'row actions-of-entry' },
      el('a', { class: 'button secondary', href: `#/edit/${id}` }, 'Edit'),
      button('Delete', () => void remove(), { class: 'danger' })));
}
