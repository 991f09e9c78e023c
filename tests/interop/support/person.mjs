// A person at a browser without JavaScript: follows redirects with cookies, reads the forms of
// the hosted pages and fills them in. Nothing here knows the pages beyond their field names.

const entities = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const decode = (text) =>
  text.replace(/&(?:#x([0-9a-f]+)|#([0-9]+)|([a-z]+));/gi, (whole, hex, decimal, name) => {
    if (hex) return String.fromCodePoint(parseInt(hex, 16));
    if (decimal) return String.fromCodePoint(parseInt(decimal, 10));
    return entities[name.toLowerCase()] ?? whole;
  });

const tag = /<(\/?)([a-z][a-z0-9]*)((?:\s+[^\s"'>/=]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+))?)*)\s*\/?>/gi;
const attribute = /([^\s"'>/=]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g;

/** The forms of a page: `{ action, method, fields, buttons }`, fields as they stand before anyone types. */
export function parseForms(html, base) {
  const forms = [];
  let current;
  for (const [, closing, name, rest] of html.matchAll(tag)) {
    const element = name.toLowerCase();
    if (closing) {
      if (element === 'form') current = undefined;
      continue;
    }
    const attributes = {};
    for (const [, key, double, single, bare] of rest.matchAll(attribute)) {
      attributes[key.toLowerCase()] = decode(double ?? single ?? bare ?? '');
    }
    if (element === 'form') {
      current = {
        action: new URL(attributes.action || base, base).href,
        method: (attributes.method ?? 'get').toLowerCase(),
        fields: new Map(),
        buttons: [],
      };
      forms.push(current);
    } else if (current && element === 'input') {
      const type = (attributes.type ?? 'text').toLowerCase();
      if (type === 'submit') current.buttons.push(attributes);
      else if (['checkbox', 'radio'].includes(type) && !('checked' in attributes)) continue;
      else if (attributes.name) current.fields.set(attributes.name, attributes.value ?? '');
    } else if (current && element === 'button' && (attributes.type ?? 'submit').toLowerCase() === 'submit') {
      current.buttons.push(attributes);
    }
  }
  return forms;
}

class CookieJar {
  #cookies = [];

  store(url, headers) {
    for (const line of headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(';').map((part) => part.trim());
      const at = pair.indexOf('=');
      const cookie = { host: url.hostname, path: '/', name: pair.slice(0, at), value: pair.slice(at + 1) };
      let gone = false;
      for (const text of attributes) {
        const [key, value = ''] = text.split('=');
        if (/^path$/i.test(key)) cookie.path = value;
        if (/^max-age$/i.test(key)) gone = Number(value) <= 0;
        if (/^expires$/i.test(key)) gone ||= Date.parse(value) <= Date.now();
      }
      const same = (other) => ['host', 'path', 'name'].every((key) => other[key] === cookie[key]);
      this.#cookies = this.#cookies.filter((other) => !same(other));
      if (!gone) this.#cookies.push(cookie);
    }
  }

  header(url) {
    const within = ({ path }) => url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`);
    return this.#cookies
      .filter((cookie) => cookie.host === url.hostname && within(cookie))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ');
  }
}

const words = (html) => html.replace(/<style[\s\S]*?<\/style>/gi, '').replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').trim();

export class Person {
  #jar = new CookieJar();

  constructor({ username, password }) {
    this.username = username;
    this.password = password;
  }

  /** Opens one page, wherever it redirects to: `{ url, html, status }`, or `{ returned, url, form }` at `returnTo`. */
  open(url, { returnTo } = {}) {
    return this.#fetch('GET', new URL(url), undefined, returnTo);
  }

  /**
   * Fills in the form of `page` that has all of these fields, and presses `button` (its name, or
   * its name and value as `name=value`; the first one when nothing is said).
   */
  async fillIn(page, fields, { button, returnTo } = {}) {
    const forms = parseForms(page.html, page.url);
    const fits = ({ name = '', value = '' }) => button === undefined || [name, `${name}=${value}`].includes(button);
    const form = forms.find((each) => Object.keys(fields).every((name) => each.fields.has(name)) && each.buttons.some(fits));
    if (!form) {
      throw new Error(`no form with ${[...Object.keys(fields), button ?? '']} at ${page.url} (${page.status}): ${words(page.html).slice(0, 500)}`);
    }
    for (const [name, value] of Object.entries(fields)) form.fields.set(name, value);
    return this.#submit(form, form.buttons.find(fits), page.url, returnTo);
  }

  /**
   * Opens `url` and does what the pages ask, until the browser is sent to `returnTo` (a prefix;
   * that page itself is not fetched). Returns the URL it was sent to, the form if it was sent with one
   * (`response_mode=form_post`), and which pages were seen.
   */
  async visit(url, { returnTo, decision = 'approve' }) {
    const pages = [];
    let page = await this.#fetch('GET', new URL(url), undefined, returnTo);
    while (!page.returned) {
      if (pages.length > 6) throw new Error(`going in circles: ${pages.join(', ')}`);
      const forms = parseForms(page.html, page.url);
      const answer = forms.find((form) => form.method === 'post' && returnTo !== undefined && form.action.startsWith(returnTo));
      const login = forms.find((form) => form.fields.has('password'));
      const choice = forms.flatMap((form) => form.buttons.map((button) => ({ form, button })))
        .find(({ button }) => [decision, 'confirm'].includes(button.name));
      if (answer) {
        page = await this.#submit(answer, undefined, page.url, returnTo);
      } else if (login) {
        pages.push('login');
        login.fields.set('username', this.username).set('password', this.password);
        page = await this.#submit(login, login.buttons[0], page.url, returnTo);
      } else if (choice) {
        pages.push(choice.button.name === 'confirm' ? 'logout' : 'consent');
        page = await this.#submit(choice.form, choice.button, page.url, returnTo);
      } else {
        throw new Error(`nothing to fill in at ${page.url} (${page.status}): ${words(page.html).slice(0, 500)}`);
      }
    }
    return { url: page.url, form: page.form, pages };
  }

  #submit(form, button, from, returnTo) {
    const fields = new URLSearchParams([...form.fields]);
    if (button?.name) fields.append(button.name, button.value ?? '');
    const url = new URL(form.action);
    if (form.method === 'post') return this.#fetch('POST', url, fields, returnTo, from);
    url.search = fields;
    return this.#fetch('GET', url, undefined, returnTo);
  }

  async #fetch(method, url, body, returnTo, from) {
    for (let hops = 0; hops < 10; hops++) {
      if (returnTo !== undefined && url.href.startsWith(returnTo)) return { returned: true, url, form: body };
      const headers = { accept: 'text/html', cookie: this.#jar.header(url) };
      if (method === 'POST') headers.origin = from.origin;
      const answer = await fetch(url, { method, body, headers, redirect: 'manual' });
      this.#jar.store(url, answer.headers);
      const html = await answer.text();
      const location = answer.headers.get('location');
      if (location === null) return { url, html, status: answer.status };
      // After 301, 302 and 303 browsers go on with GET.
      if (![307, 308].includes(answer.status)) [method, body] = ['GET', undefined];
      [from, url] = [url, new URL(location, url)];
    }
    throw new Error(`too many redirects, the last to ${url}`);
  }
}
