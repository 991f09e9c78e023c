// How views are made: elements and text, never markup. The page's policy (trusted types) forbids anything else.

export type Child = Node | string | undefined;
type Handler = (event: Event) => void;
type Properties = Record<string, string | number | boolean | Handler | undefined>;

/** An element. Functions listen to the event of their name; `true` sets an attribute that is empty, `false` none. */
export function el<Name extends keyof HTMLElementTagNameMap>(name: Name, properties: Properties = {}, ...children: Child[]): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [property, value] of Object.entries(properties)) {
    if (typeof value === 'function') element.addEventListener(property, value);
    else if (value === true) element.setAttribute(property, '');
    else if (value !== undefined && value !== false) element.setAttribute(property, String(value));
  }
  element.append(...children.filter((child) => child !== undefined));
  return element;
}

export function byId(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`no #${id}`);
  return element;
}

let fields = 0;

export interface FieldOptions {
  label: string;
  hint?: string | HTMLElement;
  properties?: Properties;
  value?: string;
}

export interface Field<Input extends HTMLInputElement | HTMLTextAreaElement> {
  element: HTMLElement;
  input: Input;
}

/** A label, its input and what is said below it. */
export function field<Name extends 'input' | 'textarea'>(name: Name, { label, hint, properties = {}, value }: FieldOptions): Field<HTMLElementTagNameMap[Name]> {
  const id = `field-${(fields += 1)}`;
  const described = hint === undefined ? undefined : `${id}-hint`;
  const input = el(name, { id, 'aria-describedby': described, ...properties });
  if (value !== undefined) input.value = value;
  const below = hint === undefined ? undefined : el('div', { class: 'hint', id: described }, hint);
  return { element: el('div', { class: 'field' }, el('label', { for: id }, label), input, below), input };
}

/** A passphrase, which may be looked at while it is typed. */
export function secretField(options: FieldOptions): Field<HTMLInputElement> {
  const { element, input } = field('input', {
    ...options,
    properties: { type: 'password', autocapitalize: 'none', spellcheck: 'false', required: true, ...options.properties },
  });
  const show = el('button', {
    type: 'button',
    class: 'reveal',
    'aria-pressed': 'false',
    'aria-label': `Show: ${options.label}`,
    click: () => {
      const shown = input.type === 'text';
      input.type = shown ? 'password' : 'text';
      show.setAttribute('aria-pressed', String(!shown));
    },
  }, 'Show');
  const row = el('div', { class: 'secret' });
  input.replaceWith(row);
  row.append(input, show);
  return { element, input };
}

/** There for password managers alone: whose passphrase it is. */
export function managerName(): HTMLElement {
  return el('input', { class: 'unseen', type: 'text', autocomplete: 'username', value: 'Journal passphrase', tabindex: -1, 'aria-hidden': 'true', readonly: true });
}

export function button(text: string, click: Handler, properties: Properties = {}): HTMLButtonElement {
  return el('button', { type: 'button', click, ...properties }, text);
}

export interface FormOptions {
  /** What happens with what was typed. What it throws as `Complaint` is told beside the field. */
  submit: () => Promise<void>;
  explain: (error: unknown) => string;
}

/** What is wrong with a field. */
export class Complaint extends Error {
  readonly input: HTMLInputElement | HTMLTextAreaElement | undefined;

  constructor(message: string, input?: HTMLInputElement | HTMLTextAreaElement) {
    super(message);
    this.input = input;
  }
}

/** A form that sends nothing by itself, is busy once at a time, and says what went wrong above its fields. */
export function form({ submit, explain }: FormOptions, ...children: Child[]): HTMLFormElement {
  const alert = el('div', { class: 'alert', role: 'alert', id: `alert-${(fields += 1)}`, hidden: true });
  let busy = false;
  const element = el('form', {
    novalidate: true,
    submit: (event) => {
      event.preventDefault();
      if (busy) return;
      busy = true;
      element.setAttribute('aria-busy', 'true');
      clear();
      void submit()
        .catch(complain)
        .finally(() => {
          busy = false;
          element.removeAttribute('aria-busy');
        });
    },
  }, alert, ...children);

  function clear(): void {
    alert.hidden = true;
    alert.replaceChildren();
    for (const input of element.querySelectorAll('[aria-invalid]')) {
      input.removeAttribute('aria-invalid');
      const described = (input.getAttribute('aria-describedby') ?? '').split(' ').filter((id) => id !== alert.id && id !== '');
      if (described.length > 0) input.setAttribute('aria-describedby', described.join(' '));
      else input.removeAttribute('aria-describedby');
    }
  }

  function complain(error: unknown): void {
    alert.hidden = false;
    alert.replaceChildren(el('p', {}, error instanceof Complaint ? error.message : explain(error)));
    const input = error instanceof Complaint ? error.input : undefined;
    if (input === undefined) return;
    input.setAttribute('aria-invalid', 'true');
    input.setAttribute('aria-describedby', `${alert.id} ${input.getAttribute('aria-describedby') ?? ''}`.trim());
    input.focus();
  }

  return element;
}

export interface Question {
  title: string;
  text: string;
  yes: string;
  no?: string;
}

/** Asks in a dialog. Focus goes back to where it was. */
export function ask({ title, text, yes, no = 'Cancel' }: Question): Promise<boolean> {
  return new Promise((resolve) => {
    const dialog = el('dialog', { 'aria-labelledby': 'question', 'aria-describedby': 'question-text', close: () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    } },
      el('h2', { id: 'question' }, title),
      el('p', { id: 'question-text' }, text),
      el('div', { class: 'choice' },
        button(no, () => dialog.close('no'), { class: 'secondary', autofocus: true }),
        button(yes, () => dialog.close('yes'), { class: 'danger' })));
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Puts a view into the page: title, focus on its heading, and from the top. */
export function show(title: string, ...children: Child[]): void {
  document.title = `${title} · Journal`;
  const main = byId('main');
  main.replaceChildren(...children.filter((child) => child !== undefined));
  const heading = main.querySelector('h1');
  heading?.setAttribute('tabindex', '-1');
  heading?.focus();
  window.scrollTo(0, 0);
}

export function save(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el('a', { href: url, download: name, hidden: true });
  document.body.append(link);
  link.click();
  link.remove();
  // The download has begun by then, or never will.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
