// What the journal's browser tests share: provider, journal and people, and the way of a person through its pages.

import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { Authenticator } from '../interop/support/authenticator.mjs';
import { launchChromium } from '../interop/support/chromium.mjs';
import { Journal } from '../interop/support/journal.mjs';
import { Provider, freePort } from '../interop/support/provider.mjs';
import { desktop, fillIn } from './support.mjs';

const page = fileURLToPath(new URL('../../crates/countersign-journal/web/dist', import.meta.url));
const pollMilliseconds = 50;

/** Waits until `condition` holds, and returns what it returned. */
export async function until(condition, what, seconds = 20) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    const held = await condition();
    if (held) return held;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await delay(pollMilliseconds);
  }
}

/** A provider, the journal behind it and a browser. */
export class JournalStage {
  people = 0;

  static async set() {
    const stage = new JournalStage();
    try {
      stage.provider = await Provider.start({ COUNTERSIGN_THROTTLE__ADDRESS: '1000', COUNTERSIGN_LOG__LEVEL: 'debug' });
      stage.issuer = stage.provider.issuer;
      const port = await freePort();
      stage.url = `http://localhost:${port}`;
      await stage.provider.run(['api', 'add', stage.url, '--roles',
        '--scope', 'journal.read=Read your journal', '--scope', 'journal.write=Write in your journal']);
      await stage.provider.addClient('journal-web', '--name', 'Journal', '--public', '--dpop-bound-access-tokens',
        '--redirect-uri', `${stage.url}/`,
        '--post-logout-redirect-uri', `${stage.url}/`, '--origin', stage.url,
        '--scope', 'openid', '--scope', 'journal.read', '--scope', 'journal.write');
      stage.journal = await Journal.start({ issuer: stage.issuer, port, settings: { RUST_LOG: 'debug', JOURNAL_WEB: page } });
      stage.browser = await launchChromium();
      return stage;
    } catch (error) {
      await stage.strike();
      throw error;
    }
  }

  log() {
    return this.journal.log();
  }

  /** The bytes of every file of both databases, by name. */
  async databases() {
    const files = [];
    for (const folder of [this.journal.folder, this.provider.folder]) {
      for (const name of (await readdir(folder)).filter((each) => /^(journal\.)?db/.test(each))) {
        files.push([join(folder, name), await readFile(join(folder, name))]);
      }
    }
    return files;
  }

  /** A person of their own for a test, so that tests do not meet. */
  async person() {
    this.people += 1;
    const person = { email: `writer-${this.people}@example.com`, name: `Writer ${this.people}`, password: 'seventeen lilac umbrellas' };
    await this.provider.addUser(person);
    return person;
  }

  /** A browser profile of this person: a device. */
  async device(person, options = {}) {
    const context = await this.browser.newContext({ viewport: desktop, locale: 'en-GB', ...options });
    context.setDefaultTimeout(20_000);
    const device = new Device(this, person, context, await context.newPage());
    device.watch();
    return device;
  }

  async strike() {
    await this.browser?.close();
    await this.journal?.stop();
    await this.provider?.stop();
  }
}

export class Device {
  /** What the page complained of: scripts, console (policies among it), parts that did not come. */
  complaints = [];

  constructor(stage, person, context, page) {
    Object.assign(this, { stage, person, context, page });
  }

  watch() {
    const { page, complaints } = this;
    page.on('pageerror', (error) => complaints.push(`script: ${error}`));
    page.on('console', (message) => {
      // An answer that is no success is said by Chromium as well; which ones come is each test's business.
      const status = message.text().startsWith('Failed to load resource');
      if (['error', 'warning'].includes(message.type()) && !status) complaints.push(`console: ${message.text()}`);
    });
  }

  heading(name) {
    return this.page.getByRole('heading', { level: 1, name, exact: true });
  }

  press(name) {
    return this.page.getByRole('button', { name, exact: true }).click();
  }

  /** What is told at the top. */
  async told(words) {
    await this.page.locator('#status', { hasText: words }).waitFor();
  }

  async refused(words) {
    await this.page.locator('[role=alert]', { hasText: words }).waitFor();
  }

  /** Opens the journal and signs in, as far as the provider asks. */
  async signIn() {
    const { page, stage } = this;
    await page.goto(`${stage.url}/`);
    await this.press('Sign in');
    await page.waitForURL((url) => url.origin === stage.issuer);
    await this.answerProvider();
  }

  /** Does what the provider's pages ask, until the journal is back. */
  async answerProvider({ code } = {}) {
    const { page, stage } = this;
    for (;;) {
      const next = page.locator('input[name=password], #code, button[name=approve], #main h1').first();
      await next.waitFor();
      if (new URL(page.url()).origin === stage.url) return;
      const from = page.url();
      if (await page.locator('input[name=password]').count()) await fillIn(page, this.person);
      else if (await page.locator('#code').count()) {
        await page.fill('#code', code());
        await page.click('form:has(#code) button[type=submit]');
      } else if (await page.locator('button[name=approve]').count()) await page.click('button[name=approve]');
      await page.waitForURL((url) => url.href !== from);
    }
  }

  /** The first use; returns the recovery key. */
  async setUp(passphrase) {
    const { page } = this;
    await this.heading('Choose a passphrase').waitFor();
    await page.getByLabel('Passphrase', { exact: true }).fill(passphrase);
    await page.getByLabel('The same again', { exact: true }).fill(passphrase);
    await this.press('Go on');
    return this.confirmRecoveryKey('Your recovery key');
  }

  async confirmRecoveryKey(heading) {
    const { page } = this;
    await this.heading(heading).waitFor();
    const groups = await page.locator('.recovery-key code').allTextContents();
    const asked = page.locator('[data-group]');
    await asked.fill(groups[Number(await asked.getAttribute('data-group'))].toLowerCase());
    await this.press('I have it');
    return groups.join('-');
  }

  async tryToUnlock(passphrase) {
    await this.heading('Unlock your journal').waitFor();
    await this.page.getByLabel('Passphrase', { exact: true }).fill(passphrase);
    await this.press('Unlock');
  }

  async unlock(passphrase) {
    await this.tryToUnlock(passphrase);
    await this.listed();
  }

  /** Waits until the list is there, and up to date. */
  async listed() {
    await this.heading('Entries').waitFor();
    await this.page.getByText(/^Up to date at/).waitFor();
  }

  async go(place) {
    const link = this.page.getByRole('navigation').getByRole('link', { name: place, exact: true });
    await link.click();
    await this.page.getByRole('navigation').locator('[aria-current=page]', { hasText: place }).waitFor();
    await this.heading(place).waitFor();
  }

  async sync() {
    await this.press('Sync now');
    await this.told('Up to date.');
  }

  async fillEntry({ title, text, tags }) {
    const { page } = this;
    if (title !== undefined) await page.getByLabel('Title', { exact: true }).fill(title);
    if (text !== undefined) await page.getByLabel('Text', { exact: true }).fill(text);
    if (tags !== undefined) await page.getByLabel('Tags', { exact: true }).fill(tags);
  }

  async write(entry) {
    await this.go('Entries');
    await this.page.getByRole('link', { name: 'Write', exact: true }).click();
    await this.heading('New entry').waitFor();
    await this.fillEntry(entry);
    await this.press('Save');
    await this.told('Saved.');
  }

  async openEntry(title) {
    await this.page.locator('.entry a', { hasText: title }).click();
    await this.heading(title).waitFor();
  }

  titles() {
    return this.page.locator('.entry h3').allTextContents();
  }

  /** Sets up an authenticator app at the provider. */
  async enrol() {
    const page = await this.context.newPage();
    await page.goto(`${this.stage.issuer}/account/second-factor`);
    if (await page.locator('input[name=password]').count()) {
      await fillIn(page, this.person);
      await page.locator('code.key').waitFor();
    }
    const authenticator = new Authenticator(await page.textContent('code.key'));
    await page.fill('input[name=code]', authenticator.code());
    await page.click('main form button[type=submit]');
    await page.click('button[name=done]');
    await page.locator('h1').waitFor();
    await page.close();
    return authenticator;
  }

  async close() {
    await this.context.close();
  }
}
