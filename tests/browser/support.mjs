// What the browser tests share: a provider with one person and one client, and the way to each
// hosted page.

import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { Authenticator } from '../interop/support/authenticator.mjs';
import { launchChromium } from '../interop/support/chromium.mjs';
import { Provider } from '../interop/support/provider.mjs';

export const alice = { email: 'alice@example.com', name: 'Alice Liddell', password: 'down the rabbit hole 1865' };
export const bob = { email: 'bob@example.com', name: 'Bob Dodgson', password: 'through the looking glass 1871' };
export const phone = { width: 390, height: 844 };
export const desktop = { width: 1280, height: 800 };
/** What browsers are set to, and the language that pages answer in. */
export const locales = { 'en-GB': 'en', 'de-DE': 'de' };

/** The pages of the account area, apart from the overview. */
const accountPlaces = ['profile', 'email', 'password', 'second-factor', 'sessions', 'apps', 'activity', 'data', 'confirm?to=account'];
/** What the tour looks at, in its order. */
export const everyPage = [
  'start', 'error', 'login', 'login-refused', 'consent',
  'account', ...accountPlaces.map(nameOfPlace),
  'logout', 'signed-out', 'accounts', 'login-beside', 'start-signed-in', 'accounts-for-app', 'logout-others', 'signed-out-others',
  'mails', 'mail',
  'signup', 'mail-sent', 'new-account', 'enrol', 'set-up-refused', 'recovery-codes', 'second-factor', 'totp', 'recover', 'deleted',
];

function nameOfPlace(place) {
  return `account-${place.split('?')[0]}`;
}

/** A running provider, the browser, and a client's server, where signing in and out ends. */
export class Stage {
  newcomers = 0;

  /** `settings` are further `COUNTERSIGN_…` variables. */
  static async set(settings = {}) {
    const stage = new Stage();
    try {
      stage.client = createServer((request, response) => {
        response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>The app</title><h1>The app</h1>');
      }).listen(0, '127.0.0.1');
      await once(stage.client, 'listening');
      stage.app = `http://localhost:${stage.client.address().port}`;
      // All of these people sit at one address.
      stage.provider = await Provider.start({
        COUNTERSIGN_SIGNUP__MODE: 'open',
        COUNTERSIGN_THROTTLE__ADDRESS: '1000',
        COUNTERSIGN_THROTTLE__MAILS_FROM: '1000',
        COUNTERSIGN_THROTTLE__MAILS_TO: '1000',
        ...settings,
      });
      stage.issuer = stage.provider.issuer;
      await stage.provider.addUser(alice);
      await stage.provider.addUser(bob);
      await stage.provider.run(['api', 'add', 'https://journal.example/', '--scope', 'journal.read=Read what you wrote in your journal']);
      await stage.provider.addClient('journal', '--name', 'Journal', '--redirect-uri', `${stage.app}/callback`,
        '--post-logout-redirect-uri', `${stage.app}/signed-out`,
        '--policy-uri', 'https://journal.example/policy', '--tos-uri', 'https://journal.example/terms',
        ...['openid', 'profile', 'email', 'offline_access', 'journal.read'].flatMap((scope) => ['--scope', scope]));
      await stage.keepMail();
      stage.browser = await launchChromium();
      return stage;
    } catch (error) {
      await stage.strike();
      throw error;
    }
  }

  /** Puts a mail where a development start keeps its own. */
  async keepMail() {
    const folder = join(this.provider.folder, 'data/mail');
    const link = `${this.issuer}/link?t=${'x'.repeat(43)}`;
    const text = `Somebody, probably you, wants to choose a new password.\n\nChoose a password:\n${link}\n\n-- \nCountersign\n`;
    const mail = { id: 'a-mail', to: alice.email, subject: 'Choose a new password', text, html: '', at: '2026-01-01T08:00:00Z' };
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, '20260101T080000.000000Z-0000-a-mail.json'), JSON.stringify(mail));
  }

  async strike() {
    await this.browser?.close();
    await this.provider?.stop();
    this.client?.close();
  }

  authorizeUrl(parameters = {}) {
    return `${this.issuer}/authorize?${new URLSearchParams({
      client_id: 'journal',
      response_type: 'code',
      redirect_uri: `${this.app}/callback`,
      scope: 'openid profile email offline_access journal.read',
      state: 'state-of-the-test',
      code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
      code_challenge_method: 'S256',
      ...parameters,
    })}`;
  }

  /** A fresh browser profile with one page, and what that page complains of (console, policy, broken parts). */
  async open(options) {
    const context = await this.browser.newContext(options);
    const page = await context.newPage();
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(`script: ${error}`));
    page.on('console', (message) => {
      // Said of the page itself as well, whose status is the test's business; its parts are looked at below.
      const status = message.text().startsWith('Failed to load resource: the server responded with a status of');
      if (['error', 'warning'].includes(message.type()) && !status) complaints.push(`console: ${message.text()}`);
    });
    page.on('requestfailed', (request) => {
      // Who leaves a page does not wait for its parts.
      const { errorText } = request.failure();
      if (errorText !== 'net::ERR_ABORTED') complaints.push(`request: ${request.url()} ${errorText}`);
    });
    page.on('response', (response) => {
      if (response.status() >= 400 && !response.request().isNavigationRequest()) complaints.push(`${response.status()}: ${response.url()}`);
    });
    return { context, page, complaints };
  }

  /**
   * Walks one browser through every hosted page, and calls `look(name, page)` at each. The steps
   * build on each other, as a visit does.
   */
  async tour(page, look) {
    await page.goto(`${this.issuer}/`);
    await look('start', page);

    await page.goto(this.authorizeUrl({ client_id: 'nobody' }));
    await look('error', page);

    // Remembered consent is not asked again otherwise.
    await page.goto(this.authorizeUrl({ prompt: 'consent' }));
    await look('login', page);

    await fillIn(page, { ...alice, password: 'not the password' });
    await look('login-refused', page);

    await fillIn(page, alice);
    await look('consent', page);

    await page.click('button[name=approve]');
    await page.waitForURL((url) => url.origin === this.app);

    await page.goto(`${this.issuer}/account`);
    await look('account', page);
    for (const place of accountPlaces) {
      await page.goto(`${this.issuer}/account/${place}`);
      await look(nameOfPlace(place), page);
    }

    await page.goto(`${this.issuer}/logout`);
    await look('logout', page);

    await page.click('button[name=confirm]');
    await look('signed-out', page);

    await this.tourOfSeveral(page, look);

    await page.goto(`${this.issuer}/dev/mail`);
    await look('mails', page);

    await page.click('main dd a');
    await look('mail', page);

    await this.tourOfNewcomer(page, look);
  }

  /** The pages that somebody meets who is signed in with two accounts. */
  async tourOfSeveral(page, look) {
    await page.goto(`${this.issuer}/login`);
    await fillIn(page, alice);
    await page.goto(`${this.issuer}/accounts`);
    await look('accounts', page);

    await page.click('button[name=another]');
    await look('login-beside', page);

    await fillIn(page, bob);
    await page.goto(`${this.issuer}/`);
    await look('start-signed-in', page);

    await page.goto(this.authorizeUrl({ prompt: 'select_account', login_hint: alice.email }));
    await look('accounts-for-app', page);

    await page.goto(`${this.issuer}/logout`);
    await look('logout-others', page);

    await page.click('button[name=confirm]');
    await look('signed-out-others', page);

    await page.click('button[name=sign_out]');
    await page.waitForSelector('a[href="/login"]');
  }

  /** The pages that somebody meets who makes an account, secures it, and takes it down again. */
  async tourOfNewcomer(page, look) {
    const newcomer = { email: `newcomer-${(this.newcomers += 1)}@example.com`, password: 'seventeen lilac umbrellas' };
    const send = 'main form button[type=submit]';
    const followMail = async () => {
      const { text } = await this.provider.mail(newcomer.email, ({ text }) => text.includes('/link?t='));
      await page.goto(text.match(/http\S+\/link\?t=\S+/)[0]);
    };

    await page.goto(`${this.issuer}/signup`);
    await look('signup', page);

    await page.fill('input[name=email]', newcomer.email);
    await page.click(send);
    await look('mail-sent', page);

    await followMail();
    await look('new-account', page);

    await page.fill('input[name=name]', 'Nora Newcomer');
    await page.fill('input[name=password]', newcomer.password);
    await page.click(send);
    await page.waitForURL((url) => url.pathname === '/');

    // An app that would like a second factor has one offered.
    await page.goto(this.authorizeUrl({ acr_values: 'urn:countersign:acr:mfa' }));
    await look('enrol', page);

    await page.goto(`${this.issuer}/account/second-factor`);
    const authenticator = new Authenticator(await page.textContent('code.key'));
    await page.fill('input[name=code]', '12 34 5');
    await page.click(send);
    await look('set-up-refused', page);

    await page.fill('input[name=code]', authenticator.code());
    await page.click(send);
    await look('recovery-codes', page);

    await page.click('button[name=done]');
    await look('second-factor', page);

    await page.goto(`${this.issuer}/logout`);
    await page.click('button[name=confirm]');
    await page.goto(`${this.issuer}/login`);
    await fillIn(page, newcomer);
    await look('totp', page);

    // The code of this half minute is spent.
    await page.fill('#code', authenticator.code(1));
    await page.click(send);
    await page.waitForURL((url) => url.pathname === '/');

    await page.goto(`${this.issuer}/recover`);
    await look('recover', page);

    await page.goto(`${this.issuer}/account/data`);
    await page.check('input[name=sure]');
    await page.click('button[value=delete]');
    await look('deleted', page);
  }
}

export async function fillIn(page, { email, password }) {
  await page.fill('input[name=username]', email);
  await page.fill('input[name=password]', password);
  await page.click('form:has(input[name=password]) [type=submit], form:has(input[name=password]) button:not([type])');
}
