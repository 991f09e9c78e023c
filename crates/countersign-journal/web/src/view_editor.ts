import type { App } from './app.ts';
import { short } from './dates.ts';
import { Complaint, ask, button, el, field, form, show } from './dom.ts';
import { type Conflict, type Draft, contentOf, draftOf, isChanged } from './drafts.ts';
import { type Content, newEntryId } from './entry.ts';
import { Conflicting, JournalGone, isReadable } from './sync.ts';
import { tagList, titleOf } from './view_list.ts';

/** Told after whatever kept an entry from being saved. */
const stillHere = 'Nothing is lost: what you typed is still here.';

export function newEntry(app: App): void {
  const draft = draftOf(newEntryId(), 0, undefined, new Date());
  app.drafts.keep(draft);
  // So that going back does not begin yet another one.
  history.replaceState(null, '', `#/edit/${draft.id}`);
  app.route();
}

function draftFor(app: App, id: string): Draft | undefined {
  const draft = app.drafts.get(id);
  const entry = app.journal.get(id);
  if (draft !== undefined && (isChanged(draft) || draft.base === 0)) return draft;
  if (entry === undefined || !isReadable(entry)) return undefined;
  const fresh = draftOf(id, entry.revision, entry.content, new Date());
  app.drafts.keep(fresh);
  return fresh;
}

export function editorView(app: App, id: string): void {
  const draft = draftFor(app, id);
  if (draft === undefined) return app.go('#/', 'That entry is not here to be edited.');
  if (draft.conflict !== undefined) return conflictView(app, draft, draft.conflict);

  const changed = () => app.drafts.keep(draft);
  const title = field('input', { label: 'Title', value: draft.fields.title, properties: { autocomplete: 'off', maxlength: 300, class: 'title', input: () => {
    draft.fields.title = title.input.value;
    changed();
  } } });
  const text = field('textarea', { label: 'Text', value: draft.fields.text, properties: { autocomplete: 'off', rows: 12, class: 'text', input: () => {
    draft.fields.text = text.input.value;
    changed();
  } } });
  const tags = field('input', { label: 'Tags', hint: 'With commas between them.', value: draft.fields.tags, properties: { autocomplete: 'off', autocapitalize: 'none', input: () => {
    draft.fields.tags = tags.input.value;
    changed();
  } } });
  const written = field('input', { label: 'Written', value: draft.fields.written, properties: { autocomplete: 'off', type: 'datetime-local', input: () => {
    draft.fields.written = written.input.value;
    changed();
  } } });

  const submit = async () => {
    const content = contentOf(draft);
    if (content.title === '' && content.text.trim() === '') throw new Complaint('Write something first: a title, or a text.', text.input);
    await save(app, draft, content);
  };
  const discard = async () => {
    const question = { title: 'Discard what you typed?', text: 'It was not saved, and cannot be brought back.', yes: 'Discard', no: 'Go on writing' };
    if (isChanged(draft) && !(await ask(question))) return;
    app.drafts.drop(draft.id);
    app.go(draft.base === 0 ? '#/' : `#/entry/${draft.id}`);
  };
  const heading = draft.base === 0 ? 'New entry' : 'Edit entry';
  const editor = form({ submit, explain: (error) => `This is not saved. ${app.explain(error)} ${stillHere}` },
    title.element, text.element,
    el('div', { class: 'pair' }, tags.element, written.element),
    el('div', { class: 'row' }, el('button', { type: 'submit' }, 'Save'), button('Discard', () => void discard(), { class: 'secondary' })));
  editor.classList.add('editor');
  // Browsers keep what is in fields, on disk, to bring it back after a crash.
  editor.setAttribute('autocomplete', 'off');
  editor.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) editor.requestSubmit();
  });
  show(heading, el('p', { class: 'back' }, el('a', { href: '#/' }, 'All entries')), el('h1', {}, heading), editor);
  title.input.focus();
}

async function save(app: App, draft: Draft, content: Content): Promise<void> {
  const saved = { ...draft.fields };
  const key = app.key;
  try {
    await app.journal.save(draft.id, draft.base, content);
  } catch (error) {
    if (error instanceof JournalGone && app.key === key) return app.gone();
    if (!(error instanceof Conflicting)) throw error;
    const { revision, unreadable } = error;
    draft.conflict = { revision, content: error.content, ...(unreadable === undefined ? {} : { unreadable }) };
    if (app.key === key && location.hash.endsWith(draft.id)) app.route();
    return;
  }
  // Locked meanwhile: the draft was sealed, and will be found to be saved when it is saved again.
  if (app.key !== key) return;
  const typedSince = (Object.keys(saved) as (keyof typeof saved)[]).some((name) => saved[name] !== draft.fields[name]);
  if (typedSince) {
    Object.assign(draft, { base: draft.base + 1, before: saved, writtenAt: content.written_at });
    return app.say('Saved, apart from what you typed since.');
  }
  app.drafts.drop(draft.id);
  // Whoever went elsewhere meanwhile stays there.
  if (location.hash === `#/edit/${draft.id}`) {
    history.replaceState(null, '', `#/entry/${draft.id}`);
    app.route('Saved.');
  }
}

function version(heading: string, content: Content | undefined, otherwise: string): HTMLElement {
  const inside = content === undefined ? [el('p', {}, otherwise)] : [
    el('h3', {}, titleOf(content.title)),
    el('p', { class: 'quiet small' }, short(new Date(content.written_at))),
    el('div', { class: 'text' }, content.text),
    tagList(content.tags),
  ];
  return el('section', { class: 'version' }, el('h2', {}, heading), ...inside);
}

function conflictView(app: App, draft: Draft, conflict: Conflict): void {
  const mine = contentOf(draft);
  const deleted = conflict.content === undefined && conflict.unreadable === undefined;
  const problem = el('div', { class: 'alert', role: 'alert', hidden: true });
  let busy = false;

  const attempt = async (work: () => Promise<void>) => {
    if (busy) return;
    busy = true;
    problem.hidden = true;
    try {
      await work();
    } catch (error) {
      if (error instanceof JournalGone) return await app.gone();
      problem.hidden = false;
      problem.replaceChildren(el('p', {}, `This is not saved. ${app.explain(error)} ${stillHere}`));
    } finally {
      busy = false;
    }
  };
  const keepMine = () => attempt(async () => {
    const resolved: Draft = { ...draft, base: conflict.revision };
    delete resolved.conflict;
    app.drafts.keep(resolved);
    await save(app, resolved, mine).catch((error: unknown) => {
      // Back to where the choice stands.
      app.drafts.keep(draft);
      throw error;
    });
  });
  // One id for all tries: an answer that gets lost must not make two of it.
  const id = newEntryId();
  const asNewEntry = () => attempt(async () => {
    await app.journal.save(id, 0, mine);
    app.drafts.drop(draft.id);
    await app.syncQuietly();
    app.go(`#/entry/${id}`, deleted ? 'Saved as a new entry.' : 'Both are kept: this is yours.');
  });
  const takeTheirs = () => attempt(async () => {
    const text = deleted ? 'What you typed is dropped, and the entry stays deleted.' : 'What you typed is dropped, and the version of the other device stays.';
    if (!(await ask({ title: 'Drop your version?', text, yes: 'Drop mine' }))) return;
    app.drafts.drop(draft.id);
    await app.syncQuietly();
    app.go(deleted ? '#/' : `#/entry/${draft.id}`);
  });

  const buttons = deleted
    ? [button('Save mine as a new entry', () => void asNewEntry()), button('Let it be deleted', () => void takeTheirs(), { class: 'secondary' })]
    : [button('Keep mine', () => void keepMine()), button('Keep both', () => void asNewEntry(), { class: 'secondary' }), button('Keep the other', () => void takeTheirs(), { class: 'secondary' })];
  show('Two versions',
    el('h1', {}, deleted ? 'This entry was deleted meanwhile' : 'There are two versions'),
    el('p', {}, deleted ? 'Another device deleted it while you wrote. Yours is not saved yet, and not lost.' : 'Another device saved this entry while you wrote. Yours is not saved yet, and not lost. Which one shall stay?'),
    problem,
    el('div', { class: 'versions' },
      version('Yours', mine, ''),
      version('The other', conflict.content, deleted ? 'Deleted.' : `It cannot be read: ${conflict.unreadable ?? ''}.`)),
    el('div', { class: 'row' }, ...buttons));
}
