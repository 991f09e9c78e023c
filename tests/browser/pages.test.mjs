// Every hosted page, in every browser we promise: with and without JavaScript, on a phone and a
// desktop, light and dark. Screenshots of all of them land in out/.

import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Stage, alice, bob, desktop, everyPage, fillIn, locales, phone } from './support.mjs';

const out = fileURLToPath(new URL('out/', import.meta.url));

const everyBrowser = Object.entries({ phone, desktop }).flatMap(([device, viewport]) => ['light', 'dark']
  .flatMap((colorScheme) => [false, true].map((javaScript) => [device, viewport, colorScheme, javaScript])));

let stage;
before(async () => {
  await mkdir(out, { recursive: true });
  stage = await Stage.set();
});
after(() => stage?.strike());

/** How light a page's background is, 0 to 1. */
const lightness = (page) => page.evaluate(() => {
  const canvas = [document.body, document.documentElement]
    .map((element) => getComputedStyle(element).backgroundColor)
    .find((color) => !['rgba(0, 0, 0, 0)', 'transparent'].includes(color));
  // A page that paints nothing shows the canvas of its colour scheme.
  if (!canvas) return getComputedStyle(document.documentElement).colorScheme.includes('dark') ? 0 : 1;
  const context = new OffscreenCanvas(1, 1).getContext('2d');
  context.fillStyle = canvas;
  context.fillRect(0, 0, 1, 1);
  const [red, green, blue] = context.getImageData(0, 0, 1, 1).data;
  return (red + green + blue) / 3 / 255;
});

const overflow = (page) => page.evaluate(() => {
  const { scrollWidth, clientWidth } = document.scrollingElement;
  return scrollWidth - clientWidth;
});

for (const [locale, language] of Object.entries(locales)) {
  for (const [device, viewport, colorScheme, javaScriptEnabled] of everyBrowser) {
    const script = `js-${javaScriptEnabled ? 'on' : 'off'}`;
    test(`${language}, ${device}, ${colorScheme}, ${script}`, async () => {
      const { context, page, complaints } = await stage.open({
        locale,
        javaScriptEnabled,
        viewport,
        colorScheme,
        hasTouch: device === 'phone',
        isMobile: device === 'phone',
      });
      const seen = [];
      await stage.tour(page, async (name) => {
        seen.push(name);
        await page.screenshot({
          path: `${out}${name}-${language}-${device}-${colorScheme}-${script}.png`,
          fullPage: true,
        });
        assert.equal(await page.locator('h1').count(), 1, `${name}: one h1`);
        assert.notEqual(await page.evaluate(() => document.title.trim()), '', `${name}: a title`);
        assert.equal(await page.getAttribute('html', 'lang'), language, `${name}: the language of the reader`);
        assert.equal(await overflow(page), 0, `${name}: scrolls sideways`);
        const light = await lightness(page);
        assert.ok(colorScheme === 'dark' ? light < 0.25 : light > 0.75, `${name}: background lightness ${light}`);
        assert.deepEqual(complaints, [], name);
      });
      assert.deepEqual(seen, everyPage);
      await context.close();
    });
  }

  test(`${language}: no page scrolls sideways at 320 pixels`, async () => {
    const { context, page } = await stage.open({ locale, viewport: { width: 320, height: 640 } });
    await stage.tour(page, async (name) => assert.equal(await overflow(page), 0, name));
    await context.close();
  });
}

describe('login', () => {
  test('a wrong password says so, keeps the user name, and wires the message to the field', async () => {
    const { context, page } = await stage.open();
    await stage.tour(page, async (name) => {
      if (name !== 'login-refused') return;
      const alert = page.locator('[role=alert]');
      await alert.waitFor({ state: 'visible' });
      assert.notEqual((await alert.innerText()).trim(), '');
      assert.equal(await page.inputValue('input[name=username]'), alice.email);
      assert.equal(await page.inputValue('input[name=password]'), '');
      const field = await page.evaluate(() => {
        const input = document.querySelector('input[name=password]');
        return {
          invalid: input.getAttribute('aria-invalid'),
          described: (input.getAttribute('aria-describedby') ?? '').split(' ')
            .map((id) => document.getElementById(id)?.innerText ?? '').join(' ').trim(),
          focused: document.activeElement?.getAttribute('name') ?? document.activeElement?.getAttribute('role'),
        };
      });
      assert.equal(field.invalid, 'true');
      assert.ok(field.described.includes((await alert.innerText()).trim()), `described by: ${field.described}`);
      assert.ok(['password', 'username', 'alert'].includes(field.focused), `focus is on: ${field.focused}`);
    });
    await context.close();
  });

  test('the fields say what they are, to people and to password managers', async () => {
    const { context, page } = await stage.open();
    await page.goto(stage.authorizeUrl({ login_hint: alice.email }));
    const [username, password] = ['username', 'password'].map((name) => page.locator(`input[name=${name}]`));
    assert.equal(await username.getAttribute('autocomplete'), 'username');
    assert.equal(await password.getAttribute('autocomplete'), 'current-password');
    assert.equal(await username.inputValue(), alice.email, 'login_hint');
    for (const field of [username, password]) {
      assert.ok(await field.evaluate((input) => input.labels.length > 0 && input.labels[0].innerText.trim() !== ''), 'a label');
    }
    await context.close();
  });
});

test('consent says who asks, for what in the registered words, and where their rules are', async () => {
  const { context, page } = await stage.open();
  await stage.tour(page, async (name) => {
    if (name !== 'consent') return;
    const text = await page.locator('main').innerText();
    assert.match(text, /Journal/);
    assert.match(text, /Read what you wrote in your journal/);
    assert.ok(await page.locator('a[href="https://journal.example/policy"]').isVisible());
    assert.ok(await page.locator('a[href="https://journal.example/terms"]').isVisible());
    assert.ok(await page.locator('button[name=deny]').isVisible());
  });
  await context.close();
});

/** Presses Tab until the focus is on `selector`; every stop on the way must show that it has the focus. */
async function tabTo(page, selector) {
  for (let presses = 0; presses < 30; presses++) {
    const focus = await page.evaluate((wanted) => {
      const element = document.activeElement;
      if (!element || element === document.body) return { on: 'nothing' };
      const style = getComputedStyle(element);
      const shown = (style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== 'none';
      return { on: element.outerHTML.slice(0, 120), shown, there: element.matches(wanted) };
    }, selector);
    assert.notEqual(focus.shown, false, `no visible focus on ${focus.on}`);
    if (focus.there) return;
    await page.keyboard.press('Tab');
  }
  assert.fail(`Tab never reached ${selector}`);
}

test('signing in needs no mouse', async () => {
  const { context, page } = await stage.open({ viewport: desktop });

  await page.goto(stage.authorizeUrl({ prompt: 'login consent' }));
  await tabTo(page, 'input[name=username]');
  await page.keyboard.type(alice.email);
  await tabTo(page, 'input[name=password]');
  await page.keyboard.type(alice.password);
  await tabTo(page, 'form:has(input[name=password]) [type=submit], form:has(input[name=password]) button:not([type])');
  await page.keyboard.press('Space');
  await page.waitForSelector('button[name=approve]');
  await tabTo(page, 'button[name=deny]');
  await tabTo(page, 'button[name=approve]');
  await page.keyboard.press('Enter');
  await page.waitForURL((url) => url.origin === stage.app);
  const arrived = new URL(page.url());
  assert.equal(arrived.searchParams.get('state'), 'state-of-the-test');
  assert.ok(arrived.searchParams.get('code'));

  await page.goto(`${stage.issuer}/logout`);
  await tabTo(page, 'button[name=confirm]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('button[name=confirm]', { state: 'detached' });
  await context.close();
});

test('choosing among accounts needs neither a mouse nor JavaScript', async () => {
  const { context, page } = await stage.open({ viewport: desktop, javaScriptEnabled: false });
  await page.goto(`${stage.issuer}/login`);
  await fillIn(page, alice);
  await page.goto(`${stage.issuer}/accounts`);
  await tabTo(page, 'button[name=another]');
  await page.keyboard.press('Enter');
  await page.waitForSelector('input[name=password]');
  await fillIn(page, bob);
  await page.goto(`${stage.issuer}/accounts?to=account`);
  const [first, second] = await page.locator('button[name=account]').allInnerTexts();
  assert.match(first, /Bob Dodgson/);
  assert.match(second, /Alice Liddell/);
  // The one that is likely to be meant has the focus already.
  await tabTo(page, 'li:first-child button[name=account]');
  await tabTo(page, 'li:last-child button[name=account]');
  await page.keyboard.press('Space');
  await page.waitForURL((url) => url.pathname === '/account');
  const text = await page.locator('main').innerText();
  assert.match(text, /Alice Liddell/);
  assert.doesNotMatch(text, /Bob/);
  await context.close();
});
