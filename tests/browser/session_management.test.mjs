// Session management: an app frames check_session_iframe, and asks it in the browser whether whoever was signed in still is.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Stage, alice, fillIn } from './support.mjs';

const eve = { email: 'eve@example.com', name: 'Eve', password: 'an apple a day 1667' };

let stage;
before(async () => {
  stage = await Stage.set();
  await stage.provider.addUser(eve);
});
after(() => stage?.strike());

/** Signs in to the app: the session_state of its answer. */
async function signIn(page, person) {
  await page.goto(stage.authorizeUrl());
  if (person) await fillIn(page, person);
  const approve = page.locator('button[name=approve]');
  await approve.or(page.getByRole('heading', { name: 'The app' })).waitFor();
  if (await approve.isVisible()) await approve.click();
  await page.waitForURL((url) => url.origin === stage.app);
  return new URL(page.url()).searchParams.get('session_state');
}

/** What the frame answers to this message, on a page of the app. */
function ask(page, message) {
  return page.evaluate(async ([frame, message]) => {
    const iframe = document.createElement('iframe');
    iframe.src = frame;
    const loaded = new Promise((resolve) => iframe.addEventListener('load', resolve, { once: true }));
    document.body.append(iframe);
    await loaded;
    const answer = new Promise((resolve) => addEventListener('message', resolve, { once: true }));
    iframe.contentWindow.postMessage(message, new URL(frame).origin);
    const { data, origin, source } = await answer;
    if (source !== iframe.contentWindow || origin !== new URL(frame).origin) throw new Error(`answered by ${origin}`);
    iframe.remove();
    return data;
  }, [`${stage.issuer}/check_session`, message]);
}

test('unchanged while somebody is signed in, changed when they are not', async () => {
  const { context, page, complaints } = await stage.open();
  const state = await signIn(page, alice);
  assert.match(state, /^\S+\.\S+$/);
  assert.equal(await ask(page, `journal ${state}`), 'unchanged');
  assert.equal(await ask(page, `other ${state}`), 'changed');

  const tab = await context.newPage();
  await tab.goto(`${stage.issuer}/logout`);
  await tab.click('button[name=confirm]');
  await tab.waitForURL(`${stage.issuer}/signed-out`);
  assert.equal(await ask(page, `journal ${state}`), 'changed');
  assert.deepEqual(complaints, []);
  await context.close();
});

test('changed when someone else signs in, and unchanged for them', async () => {
  const { context, page } = await stage.open();
  const hers = await signIn(page, alice);
  const tab = await context.newPage();
  await tab.goto(`${stage.issuer}/login`);
  await fillIn(tab, eve);
  await tab.waitForURL(`${stage.issuer}/`);
  assert.equal(await ask(page, `journal ${hers}`), 'changed');
  const state = await signIn(page);
  assert.equal(await ask(page, `journal ${state}`), 'unchanged');
  await context.close();
});

test('what it cannot read is an error', async () => {
  const { context, page } = await stage.open();
  const state = await signIn(page, alice);
  for (const message of ['', 'journal', ` ${state}`, 'journal hash', 'journal hash.', 'journal .salt', 'journal a.b.c', 7, null, {}]) {
    assert.equal(await ask(page, message), 'error', JSON.stringify(message));
  }
  await context.close();
});

test('its script reads the one cookie, and no other of ours', async () => {
  const { context, page } = await stage.open();
  await signIn(page, alice);
  await page.goto(`${stage.issuer}/check_session`);
  const readable = await page.evaluate(() => document.cookie.split('; ').map((pair) => pair.split('=')[0]));
  assert.deepEqual(readable, ['countersign_state']);
  const cookies = await context.cookies(stage.issuer);
  assert.ok(cookies.length > 2);
  await context.close();
});
