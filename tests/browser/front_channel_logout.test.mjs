// Front-channel logout: the page after a sign-out loads what the apps asked for, unseen, and goes on: by its one script, and by itself
// where no script runs.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Stage, alice, desktop, fillIn, locales, phone } from './support.mjs';

const axe = await readFile(fileURLToPath(new URL('axe.min.js', import.meta.resolve('axe-core'))), 'utf8');
const out = fileURLToPath(new URL('out/', import.meta.url));

/** The server of an app at another site: what was loaded from it, and what waits for an answer. */
class Listener {
  loaded = [];
  waiting = [];
  isSlow = false;

  static async start() {
    const listener = new Listener();
    listener.server = createServer((request, response) => {
      listener.loaded.push(new URL(request.url, listener.origin));
      const answer = () => response.writeHead(200, { 'content-type': 'text/html', 'set-cookie': 'heard=yes' })
        .end('<!doctype html><title>Out</title><script>try { top.location = "about:blank" } catch {}</script>');
      if (listener.isSlow) listener.waiting.push(answer);
      else answer();
    }).listen(0, '127.0.0.1');
    await once(listener.server, 'listening');
    listener.origin = `http://127.0.0.1:${listener.server.address().port}`;
    return listener;
  }

  close() {
    this.waiting.forEach((answer) => answer());
    this.server.close();
    this.server.closeAllConnections();
  }
}

let stage;
let listener;
before(async () => {
  await mkdir(out, { recursive: true });
  stage = await Stage.set();
  listener = await Listener.start();
  await stage.provider.run(['client', 'set', 'journal',
    '--frontchannel-logout-uri', `${listener.origin}/out?lang=en`, '--frontchannel-logout-session-required']);
});
after(async () => {
  listener?.close();
  await stage?.strike();
});

async function signIn(page) {
  await page.goto(stage.authorizeUrl());
  await fillIn(page, alice);
  const approve = page.locator('button[name=approve]');
  await approve.or(page.getByRole('heading', { name: 'The app' })).waitFor();
  if (await approve.isVisible()) await approve.click();
  await page.waitForURL((url) => url.origin === stage.app);
}

function logoutUrl() {
  return `${stage.issuer}/logout?${new URLSearchParams({
    client_id: 'journal', post_logout_redirect_uri: `${stage.app}/signed-out`, state: 's 1',
  })}`;
}

/** Signs in and out again, as far as the page that tells the apps. */
async function signOut(page) {
  await signIn(page);
  await page.goto(logoutUrl());
  listener.loaded = [];
  await page.locator('button[name=confirm]').click({ noWaitAfter: true });
}

for (const javaScriptEnabled of [true, false]) {
  test(`the app is loaded and the browser goes on, ${javaScriptEnabled ? 'by the script' : 'without scripts'}`, async () => {
    listener.isSlow = false;
    const { context, page, complaints } = await stage.open({ javaScriptEnabled, viewport: phone });
    await signOut(page);
    await page.waitForURL(`${stage.app}/signed-out?state=s+1`);
    assert.equal(listener.loaded.length, 1);
    const { pathname, searchParams } = listener.loaded[0];
    assert.deepEqual([pathname, searchParams.get('lang'), searchParams.get('iss')], ['/out', 'en', stage.issuer]);
    assert.equal(searchParams.get('sid').length, 22);
    assert.equal((await context.cookies(stage.issuer)).some(({ name }) => name.endsWith('_session')), false);
    // What the app's page tried with ours was refused; nothing else is to complain of.
    assert.deepEqual(complaints.filter((complaint) => !complaint.includes('allow-top-navigation')), []);
    await context.close();
  });
}

test('an app that does not answer is not waited for', async () => {
  listener.isSlow = true;
  const { context, page } = await stage.open();
  await signOut(page);
  await page.getByRole('heading', { name: 'You are signed out' }).waitFor();
  await page.waitForURL(`${stage.app}/signed-out?state=s+1`, { timeout: 15_000 });
  await context.close();
});

test('whoever does not want to wait goes on by hand', async () => {
  listener.isSlow = true;
  const { context, page } = await stage.open({ javaScriptEnabled: false });
  await signOut(page);
  await page.getByRole('link', { name: 'Go on' }).click();
  await page.waitForURL(`${stage.app}/signed-out?state=s+1`);
  await context.close();
});

describe('while it waits', () => {
  for (const [locale, language] of Object.entries(locales)) {
    for (const [device, viewport] of Object.entries({ phone, desktop })) {
      for (const colorScheme of ['light', 'dark']) {
        test(`${language}, ${device}, ${colorScheme}`, async () => {
          listener.isSlow = true;
          // The policy lets no foreign script in, axe included; only here it is set aside.
          const { context, page } = await stage.open({ locale, viewport, colorScheme, bypassCSP: true });
          await page.clock.install();
          await signOut(page);
          await page.locator('#onward').waitFor();
          await page.screenshot({ path: `${out}front-channel-${language}-${device}-${colorScheme}.png`, fullPage: true });
          assert.equal(await page.getAttribute('html', 'lang'), language);
          assert.equal(await page.locator('iframe').isVisible(), false);
          await page.evaluate(axe);
          const { violations } = await page.evaluate(() => window.axe.run({ iframes: false }));
          assert.deepEqual(violations.map(({ id, help }) => `${id}: ${help}`), []);
          const { scrollWidth, clientWidth } = await page.evaluate(() => {
            const { scrollWidth, clientWidth } = document.scrollingElement;
            return { scrollWidth, clientWidth };
          });
          assert.equal(scrollWidth, clientWidth, 'scrolls sideways');
          await context.close();
        });
      }
    }
  }
});
