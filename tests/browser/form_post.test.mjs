// Answers that a form carries to the app: by the page's one script, and by hand where no script runs.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { Stage, alice, fillIn, phone } from './support.mjs';

let stage;
before(async () => {
  stage = await Stage.set();
});
after(() => stage?.strike());

/** Goes to the consent page of a request whose answer comes in a form. */
async function consentPage(page) {
  await page.goto(stage.authorizeUrl({ response_mode: 'form_post', prompt: 'consent' }));
  await fillIn(page, alice);
}

function assertAnswer(request) {
  assert.equal(new URL(request.url()).search, '', 'nothing is in the query');
  const fields = new URLSearchParams(request.postData());
  assert.deepEqual([...fields.keys()].sort(), ['code', 'iss', 'session_state', 'state']);
  assert.equal(fields.get('state'), 'state-of-the-test');
}

test('the form sends itself', async () => {
  const { page, complaints } = await stage.open();
  await consentPage(page);
  const answer = page.waitForRequest((request) => request.method() === 'POST' && request.url() === `${stage.app}/callback`);
  await page.click('button[name=approve]');
  assertAnswer(await answer);
  await page.getByRole('heading', { name: 'The app' }).waitFor();
  assert.deepEqual(complaints, []);
});

test('without scripts there is a button', async () => {
  const { page } = await stage.open({ javaScriptEnabled: false, viewport: phone });
  await consentPage(page);
  await page.click('button[name=approve]');
  await page.getByRole('heading', { name: 'Back to the app' }).waitFor();
  const answer = page.waitForRequest((request) => request.method() === 'POST' && request.url() === `${stage.app}/callback`);
  await page.getByRole('button', { name: 'Go on' }).click();
  assertAnswer(await answer);
  await page.getByRole('heading', { name: 'The app' }).waitFor();
});
