// The journal's page, as its people meet it: two devices of one person, whose server learns nothing of what is written.

import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { after, afterEach, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { compactDecrypt, decodeProtectedHeader } from 'jose';

import { JournalStage, until } from './journal_support.mjs';
import { desktop, phone } from './support.mjs';

const passphrase = 'seven quiet herons by the weir';
const axe = await readFile(fileURLToPath(new URL('axe.min.js', import.meta.resolve('axe-core'))), 'utf8');
const out = fileURLToPath(new URL('out/', import.meta.url));

let stage;
let devices = [];
before(async () => {
  await mkdir(out, { recursive: true });
  stage = await JournalStage.set();
});
after(() => stage?.strike());
afterEach(async () => {
  const complaints = devices.flatMap((device) => device.complaints);
  await Promise.all(devices.map((device) => device.close()));
  devices = [];
  assert.deepEqual(complaints, [], 'console and policy');
});

async function device(person, options) {
  const made = await stage.device(person, options);
  devices.push(made);
  return made;
}

/** Somebody with a journal that is set up, on one device. */
async function writer(options) {
  const person = await stage.person();
  const one = await device(person, options);
  await one.signIn();
  const recoveryKey = await one.setUp(passphrase);
  await one.listed();
  return { person, one, recoveryKey };
}

async function secondDevice(person, options) {
  const other = await device(person, options);
  await other.signIn();
  return other;
}

/** Answers so many requests that write a new entry, and leaves those that read alone. Returns what ends it. */
async function onWriting(page, answer, times = Infinity) {
  const address = /\/entries(\?.*)?$/;
  const each = (route) => {
    if (route.request().method() !== 'POST' || times === 0) return route.fallback();
    times -= 1;
    return answer(route);
  };
  await page.route(address, each);
  return () => page.unroute(address, each);
}

/** Keeps an answer of the journal to a test's own request, as the page sent it: method, address, and what came. */
function listen(page) {
  const seen = [];
  page.on('response', (response) => {
    const { pathname } = new URL(response.url());
    if (response.url().startsWith(stage.url)) seen.push({ method: response.request().method(), pathname, status: response.status() });
  });
  return seen;
}

/** The newest revision of each entry that is in the journal's database, as it lies there: id to JWE. */
async function storedEntries() {
  const newest = new Map();
  for (const [, bytes] of await stage.databases()) {
    for (const [jwe] of bytes.toString('latin1').matchAll(/eyJ[\w-]+\.\.[\w-]{16}\.[\w-]+\.[\w-]{22}/g)) {
      const { entry, revision } = decodeProtectedHeader(jwe);
      if (revision > (newest.get(entry)?.revision ?? 0)) newest.set(entry, { revision, jwe });
    }
  }
  return newest;
}

describe('two devices', () => {
  test('what is written, changed and deleted on one is so on the other', async () => {
    const { person, one } = await writer();
    await one.write({ title: 'Herons', text: 'Two of them.', tags: 'birds, #river, birds' });

    const other = await secondDevice(person);
    await other.unlock(passphrase);
    await other.openEntry('Herons');
    assert.equal(await other.page.locator('div.text').innerText(), 'Two of them.');
    assert.deepEqual(await other.page.locator('.tags li').allTextContents(), ['birds', 'river']);

    await other.page.getByRole('link', { name: 'Edit' }).click();
    await other.fillEntry({ title: 'Three herons', text: 'Three of them <b>now</b>.' });
    await other.press('Save');
    await other.told('Saved.');
    await one.go('Entries');
    await one.sync();
    await one.openEntry('Three herons');
    assert.equal(await one.page.locator('div.text').innerText(), 'Three of them <b>now</b>.', 'text is text');

    await one.press('Delete');
    await one.page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    await one.heading('Three herons').waitFor();
    await one.press('Delete');
    await one.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await one.told('The entry is deleted.');
    await other.go('Entries');
    await other.sync();
    await other.page.getByText('Nothing is written yet.').waitFor();
  });

  test('the list is in the order of writing, the newest first, and follows by itself', async () => {
    const { person, one } = await writer();
    const other = await secondDevice(person);
    await other.unlock(passphrase);
    for (const title of ['first', 'second', 'third']) await one.write({ title });
    await one.go('Entries');
    assert.deepEqual(await one.titles(), ['third', 'second', 'first']);
    // As when a person comes back to the tab.
    await other.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
    await until(async () => (await other.titles()).length === 3, 'the entries of the other device');
    assert.deepEqual(await other.titles(), ['third', 'second', 'first']);
  });

  test('who is slower keeps their text and chooses', async () => {
    const { person, one } = await writer();
    await one.write({ title: 'Plan', text: 'as it was' });
    const other = await secondDevice(person);
    await other.unlock(passphrase);

    /** Both change the same version, `other` first. */
    const collide = async (title, change) => {
      for (const each of [one, other]) {
        await each.go('Entries');
        await each.sync();
        await each.openEntry(title);
      }
      await one.page.getByRole('link', { name: 'Edit' }).click();
      await one.fillEntry({ text: `mine, ${change}` });
      await other.page.getByRole('link', { name: 'Edit' }).click();
      await other.fillEntry({ text: `theirs, ${change}` });
      await other.press('Save');
      await other.told('Saved.');
      await one.press('Save');
      await one.heading('There are two versions').waitFor();
      const versions = await one.page.locator('.version div.text').allInnerTexts();
      assert.deepEqual(versions, [`mine, ${change}`, `theirs, ${change}`]);
    };

    await collide('Plan', 'once');
    await one.press('Keep mine');
    await one.told('Saved.');
    assert.equal(await one.page.locator('div.text').innerText(), 'mine, once');

    await collide('Plan', 'twice');
    await one.press('Keep both');
    await one.told('Both are kept');
    await one.go('Entries');
    await until(async () => (await one.titles()).length === 2, 'both versions');
    assert.deepEqual((await one.page.locator('.entry p').allTextContents()).sort(), ['mine, twice', 'theirs, twice']);
    await one.page.locator('.entry', { hasText: 'mine, twice' }).getByRole('link').click();
    await one.press('Delete');
    await one.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await one.told('The entry is deleted.');

    await collide('Plan', 'thrice');
    // Going away and coming back changes nothing of it.
    await one.go('Entries');
    await one.page.getByRole('region', { name: 'Not saved yet' }).getByRole('link', { name: 'Plan' }).click();
    await one.press('Keep the other');
    await one.page.getByRole('dialog').getByRole('button', { name: 'Drop mine' }).click();
    await one.page.locator('div.text', { hasText: 'theirs, thrice' }).waitFor();

    // Deleted under one's hands.
    await one.page.getByRole('link', { name: 'Edit' }).click();
    await one.fillEntry({ text: 'written in vain?' });
    await other.go('Entries');
    await other.openEntry('Plan');
    await other.press('Delete');
    await other.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await other.told('The entry is deleted.');
    await one.press('Save');
    await one.heading('This entry was deleted meanwhile').waitFor();
    await one.press('Save mine as a new entry');
    await one.told('Saved as a new entry.');
    await other.sync();
    assert.deepEqual(await other.titles(), ['Plan']);
  });
});

describe('keys', () => {
  test('a wrong passphrase says so, and the journal stays locked', async () => {
    const { person, one } = await writer();
    await one.write({ title: 'Herons' });
    await one.press('Lock');
    await one.told('Locked.');
    assert.ok(!(await one.page.content()).includes('Herons'));
    const other = await secondDevice(person);
    for (const each of [one, other]) {
      await each.tryToUnlock('seven quiet herons by the wear');
      await each.refused('That is not the passphrase of this journal.');
      const field = each.page.getByLabel('Passphrase', { exact: true });
      assert.ok(await field.evaluate((input) => input === document.activeElement), 'the field has the focus');
      assert.equal(await field.inputValue(), 'seven quiet herons by the wear', 'what was typed is there to be corrected');
      assert.equal(await field.getAttribute('aria-invalid'), 'true');
      assert.match(await field.evaluate((input) => document.getElementById(input.getAttribute('aria-describedby').split(' ')[0]).innerText), /not the passphrase/);
      await each.unlock(passphrase);
      assert.deepEqual(await each.titles(), ['Herons']);
    }
  });

  test('another passphrase is good on all devices, the old one on none, and no entry is touched', async () => {
    const { person, one, recoveryKey } = await writer();
    await one.write({ title: 'Herons', text: 'Two of them.' });
    await one.write({ title: 'Otters' });
    const id = new URL(one.page.url()).hash.split('/')[2];
    const before = await storedEntries();
    assert.equal(before.get(id)?.revision, 1);

    await one.go('Keys');
    const seen = listen(one.page);
    await one.press('Change the passphrase');
    const change = async (now, next, again) => {
      await one.page.getByLabel('Your passphrase now', { exact: true }).fill(now);
      await one.page.getByLabel('New passphrase', { exact: true }).fill(next);
      await one.page.getByLabel('The same again', { exact: true }).fill(again);
      await one.press('Change it');
    };
    const other = 'five grey geese over the marsh';
    await change(passphrase, 'short', 'short');
    await one.refused('Choose at least 12 characters; these are 5.');
    await change(passphrase, other, `${other}.`);
    await one.refused('The two are not the same.');
    await change('this is not the passphrase', other, other);
    await one.refused('That is not the passphrase of this journal.');
    await change(passphrase, other, other);
    await one.told('Your passphrase is changed');
    assert.deepEqual(seen.filter(({ method }) => method !== 'GET'), [{ method: 'PUT', pathname: '/vault', status: 200 }]);
    const later = await storedEntries();
    for (const [entry, { revision }] of before) assert.equal(later.get(entry).revision, revision);

    const second = await secondDevice(person);
    await second.tryToUnlock(passphrase);
    await second.refused('That is not the passphrase of this journal.');
    await second.unlock(other);
    assert.deepEqual(await second.titles(), ['Otters', 'Herons']);

    // The recovery key was not touched.
    await second.press('Lock');
    await second.press('Use the recovery key');
    await second.page.getByLabel('Recovery key', { exact: true }).fill(recoveryKey);
    await second.press('Unlock');
    await second.heading('Choose a new passphrase').waitFor();
    await second.press('Not now');
    await second.listed();
  });

  test('the recovery key opens the journal, and then a new passphrase does', async () => {
    const { person, one, recoveryKey } = await writer();
    await one.write({ title: 'Herons' });
    const other = await secondDevice(person);
    await other.press('Use the recovery key');
    const field = other.page.getByLabel('Recovery key', { exact: true });
    const attempt = async (typed) => {
      await field.fill(typed);
      await other.press('Unlock');
    };
    await attempt(recoveryKey.slice(0, -1));
    await other.refused('A recovery key has 56 characters in 14 groups; these are 55.');
    await attempt(recoveryKey.replace(/^./, (first) => (first === 'Z' ? 'Y' : 'Z')));
    await other.refused('A character of this recovery key is wrong.');
    await attempt(recoveryKey.toLowerCase().replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l'));
    await other.heading('Choose a new passphrase').waitFor();
    const next = 'five grey geese over the marsh';
    await other.page.getByLabel('New passphrase', { exact: true }).fill(next);
    await other.page.getByLabel('The same again', { exact: true }).fill(next);
    await other.press('Change it');
    await other.told('Your passphrase is changed.');
    await other.listed();
    assert.deepEqual(await other.titles(), ['Herons']);

    await one.press('Lock');
    await one.tryToUnlock(passphrase);
    await one.refused('That is not the passphrase of this journal.');
    await one.unlock(next);

    // Another recovery key replaces the first.
    await one.go('Keys');
    await one.press('Make a new recovery key');
    await one.page.getByLabel('Your passphrase now', { exact: true }).fill(next);
    await one.press('Go on');
    const renewed = await one.confirmRecoveryKey('Your new recovery key');
    await one.told('Your new recovery key is good');
    await other.press('Lock');
    await other.press('Use the recovery key');
    await attempt(recoveryKey);
    await other.refused('That is not the recovery key of this journal.');
    await attempt(renewed);
    await other.heading('Choose a new passphrase').waitFor();
  });

  test('of two devices that begin at once, one is told that the other was faster', async () => {
    const person = await stage.person();
    const [one, other] = [await device(person), await device(person)];
    await one.signIn();
    await other.signIn();
    await other.heading('Choose a passphrase').waitFor();
    await one.setUp(passphrase);
    await one.listed();
    await other.setUp('five grey geese over the marsh');
    await other.told('Another device was faster');
    await other.unlock(passphrase);
  });

  test('a server that asks for a weaker or another protection is refused', async () => {
    const { one } = await writer();
    await one.press('Lock');
    await one.page.route(`${stage.url}/vault`, async (route) => {
      const answer = await route.fetch();
      const vault = await answer.json();
      const [header, ...rest] = vault.passphrase.split('.');
      const weaker = { ...JSON.parse(Buffer.from(header, 'base64url')), p2c: 1000 };
      await route.fulfill({ response: answer, json: { ...vault, passphrase: [Buffer.from(JSON.stringify(weaker)).toString('base64url'), ...rest].join('.') } });
    });
    await one.tryToUnlock(passphrase);
    await one.refused('weaker or costlier');
    await one.page.unroute(`${stage.url}/vault`);
    await one.unlock(passphrase);
  });

  test('it locks by itself after a quarter of an hour, and what was not saved comes back', async () => {
    const { one } = await writer();
    await one.write({ title: 'Herons' });
    await one.go('Entries');
    await one.page.getByRole('link', { name: 'Write', exact: true }).click();
    await one.fillEntry({ title: 'Unfinished', text: 'half a sent' });
    // The provider's and the journal's clocks go on as they are: what is asked for in between would be refused.
    await one.page.evaluate(() => {
      const real = Date.now;
      Date.now = () => real() + 16 * 60_000;
      document.dispatchEvent(new Event('visibilitychange'));
      Date.now = real;
    });
    await one.told('Locked, since nothing was done here for 15 minutes.');
    const content = await one.page.content();
    for (const word of ['Herons', 'Unfinished', 'half a sent']) assert.ok(!content.includes(word), word);
    await one.unlock(passphrase);
    await one.page.getByRole('region', { name: 'Not saved yet' }).getByRole('link', { name: 'Unfinished' }).click();
    assert.equal(await one.page.getByLabel('Text', { exact: true }).inputValue(), 'half a sent');
    await one.press('Save');
    await one.told('Saved.');
  });
});

describe('nothing that is typed is lost', () => {
  const failures = {
    'no network': [(route) => route.abort('internetdisconnected'), 'The server cannot be reached.'],
    'too many requests': [(route) => route.fulfill({ status: 429, headers: { 'retry-after': '7' }, json: { error: 'temporarily_unavailable' } }), 'try again in 7 seconds'],
    'too large': [(route) => route.fulfill({ status: 413, json: { error: 'invalid_request' } }), 'too long for one entry'],
    'a broken server': [(route) => route.fulfill({ status: 503, body: 'oops' }), 'The server has a problem (503).'],
  };

  test('whatever becomes of a request', async () => {
    const { one } = await writer();
    await one.page.getByRole('link', { name: 'Write', exact: true }).click();
    await one.fillEntry({ title: 'Herons', text: 'Two of them.' });
    for (const [name, [answer, words]] of Object.entries(failures)) {
      const stop = await onWriting(one.page, answer);
      await one.press('Save');
      await one.refused(words);
      await one.refused('Nothing is lost: what you typed is still here.');
      assert.equal(await one.page.getByLabel('Text', { exact: true }).inputValue(), 'Two of them.', name);
      await stop();
    }
    // Saved, and the answer lost: once more is not twice.
    const stop = await onWriting(one.page, async (route) => {
      await route.fetch();
      await route.abort('connectionreset');
    });
    await one.press('Save');
    await one.refused('The server cannot be reached.');
    await stop();
    await one.press('Save');
    await one.told('Saved.');
    await one.go('Entries');
    await one.sync();
    assert.deepEqual(await one.titles(), ['Herons']);
    // Chromium says of each of these that a resource was not loaded; the page has nothing to add.
    one.complaints.length = 0;
  });

  test('leaving the page with a draft is asked about, without one it is not', async () => {
    const { one } = await writer();
    await one.page.getByRole('link', { name: 'Write', exact: true }).click();
    await one.fillEntry({ text: 'half a sent' });
    const asked = new Promise((resolve) => {
      one.page.once('dialog', (dialog) => resolve(dialog.type()) || dialog.dismiss());
    });
    // The way of a person who closes the tab.
    void one.page.close({ runBeforeUnload: true });
    assert.equal(await asked, 'beforeunload');
    assert.equal(await one.page.getByLabel('Text', { exact: true }).inputValue(), 'half a sent');

    await one.press('Sign out');
    await one.page.getByRole('dialog').getByRole('button', { name: 'Stay' }).click();
    assert.equal(await one.page.getByLabel('Text', { exact: true }).inputValue(), 'half a sent');
    await one.press('Discard');
    await one.page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
    await one.listed();
    one.page.once('dialog', (dialog) => assert.fail(dialog.type()));
    await one.page.reload();
    await one.page.waitForURL((url) => url.origin === stage.issuer);
    // The provider remembers who it is, and asks at most whether this app may, which it always asks of apps on this machine.
    assert.equal(await one.page.locator('input[name=password]').count(), 0);
    await one.answerProvider();
    await one.unlock(passphrase);
  });

  test('a token that ends is renewed in passing; a sign-in that ends is begun again in another tab', async () => {
    const { one, person } = await writer();
    const refuse = (route) => route.fulfill({ status: 401, headers: { 'www-authenticate': 'DPoP error="invalid_token"' }, json: { error: 'invalid_token' } });
    await onWriting(one.page, refuse, 1);
    await one.write({ title: 'First' });

    await one.go('Entries');
    await one.page.getByRole('link', { name: 'Write', exact: true }).click();
    await one.fillEntry({ title: 'Second', text: 'Still here.' });
    const sessions = await one.context.newPage();
    await sessions.goto(`${stage.issuer}/logout`);
    await sessions.click('button[name=confirm]');
    await sessions.close();
    await onWriting(one.page, refuse, 1);
    await one.press('Save');
    await one.refused('Your sign-in has ended.');
    const [tab] = await Promise.all([one.context.waitForEvent('page'), one.page.getByRole('link', { name: 'Sign in again' }).click()]);
    const elsewhere = Object.assign(Object.create(Object.getPrototypeOf(one)), one, { page: tab, person });
    await elsewhere.answerProvider();
    await elsewhere.heading('You are signed in again').waitFor();
    await one.told('You are signed in again.');
    assert.equal(await one.page.getByLabel('Text', { exact: true }).inputValue(), 'Still here.');
    await one.press('Save');
    await one.told('Saved.');
  });
});

describe('a server that lies', () => {
  test('is found out, and what it did not touch is read all the same', async () => {
    const { one } = await writer();
    for (const title of ['First', 'Second', 'Third']) await one.write({ title });
    await one.press('Lock');
    // Passes the first off as the second, and breaks the third.
    await one.page.route(/\/entries(\?.*)?$/, async (route) => {
      const answer = await route.fetch();
      const changes = await answer.json();
      const [first, second, third] = changes.entries;
      if (third) {
        second.body = first.body;
        third.body = third.body.replace(/.{4}$/, (end) => (end === 'AAAA' ? 'BBBB' : 'AAAA'));
      }
      await route.fulfill({ response: answer, json: changes });
    });
    await one.unlock(passphrase);
    assert.deepEqual(await one.titles(), ['First']);
    const broken = (await one.page.locator('.plain li').allInnerTexts()).sort((left, right) => left.slice(15).localeCompare(right.slice(15)));
    assert.match(broken.join('\n'), /cannot be read: the server passed another entry off as this one\./);
    assert.match(broken.join('\n'), /cannot be read: it was altered, or encrypted with another key\./);
    await one.page.unroute(/\/entries(\?.*)?$/);
  });

  test('and one that goes back to an older version is not believed', async () => {
    const { one } = await writer();
    await one.write({ title: 'Old' });
    await one.go('Entries');
    const id = (await one.page.locator('.entry a').getAttribute('href')).split('/')[2];
    const { jwe } = (await storedEntries()).get(id);
    await one.openEntry('Old');
    await one.page.getByRole('link', { name: 'Edit' }).click();
    await one.fillEntry({ title: 'New' });
    await one.press('Save');
    await one.told('Saved.');
    await one.page.route(/\/entries(\?.*)?$/, (route) => route.fulfill({ json: { entries: [{ id, revision: 1, body: jwe }], cursor: 'x', more: false } }));
    await one.go('Entries');
    await one.sync();
    await one.page.getByText('went back to version 1 of it, after it had shown version 2').waitFor();
    assert.deepEqual(await one.titles(), ['New']);
    await one.page.unroute(/\/entries(\?.*)?$/);
  });
});

test('search finds title, text and tags, without regard to capitals and accents, and asks nobody', async () => {
  const { one } = await writer();
  await one.write({ title: 'Frühstück im Café', text: 'Long talk with M.', tags: 'friends' });
  await one.write({ title: 'Herons', text: 'At the café by the weir.', tags: 'birds' });
  await one.go('Entries');
  await one.sync();
  const seen = listen(one.page);
  const field = one.page.getByRole('searchbox', { name: 'Search' });
  const finds = async (query, titles) => {
    await field.fill(query);
    assert.deepEqual(await one.titles(), titles, query);
  };
  await finds('CAFE', ['Herons', 'Frühstück im Café']);
  await finds('fruh', ['Frühstück im Café']);
  await finds('cafe weir', ['Herons']);
  await finds('#friends', ['Frühstück im Café']);
  await finds('#weir', []);
  await one.page.getByText('Nothing found.').waitFor();
  await one.page.getByText('0 of 2 entries').waitFor();
  await finds('', ['Herons', 'Frühstück im Café']);
  assert.deepEqual(seen, []);
});

test('export and deletion take a second factor just now and a signed request', async () => {
  const { one, person } = await writer();
  await one.write({ title: 'Herons', text: 'Two of them.', tags: 'birds' });
  const other = await secondDevice(person);
  await other.unlock(passphrase);
  await other.page.getByRole('link', { name: 'Write', exact: true }).click();
  await other.fillEntry({ title: 'Left over' });
  const authenticator = await one.enrol();
  let ahead = 0;
  // The code of a half minute is good once.
  const code = () => authenticator.code((ahead += 1));

  await one.go('Your data');
  await one.press('Export');
  await one.page.waitForURL((url) => url.origin === stage.issuer);
  await one.answerProvider({ code });
  await one.page.getByText('You have confirmed that it is you. Press “Export” again now.').waitFor();
  assert.deepEqual(await one.page.evaluate(() => [sessionStorage.length, localStorage.length, location.search]), [0, 0, '']);

  const download = async (name) => {
    const [file] = await Promise.all([one.page.waitForEvent('download'), one.press(name)]);
    return { name: file.suggestedFilename(), json: JSON.parse(await readFile(await file.path(), 'utf8')) };
  };
  // Locked: as the server has it.
  await one.press('Export');
  const sealed = await download('Save the encrypted copy');
  assert.match(sealed.name, /^journal-\d{4}-\d\d-\d\d-encrypted\.json$/);
  assert.deepEqual(Object.keys(sealed.json.vault).sort(), ['passphrase', 'recovery']);
  assert.equal(sealed.json.entries.length, 1);
  assert.equal(await one.page.getByRole('button', { name: 'Save a copy that anybody can read' }).count(), 0);

  // Unlocked: also as it is read.
  await one.page.getByRole('link', { name: 'Unlock your journal' }).click();
  await one.unlock(passphrase);
  await one.go('Your data');
  await one.press('Export');
  const { name, json } = await download('Save a copy that anybody can read');
  assert.match(name, /^journal-\d{4}-\d\d-\d\d\.json$/);
  assert.deepEqual(json.unreadable, []);
  const [{ written_at: writtenAt, ...entry }] = json.entries;
  assert.deepEqual(entry, { id: sealed.json.entries[0].id, revision: 1, title: 'Herons', text: 'Two of them.', tags: ['birds'] });
  assert.ok(Math.abs(Date.parse(writtenAt) - Date.now()) < 600_000);
  assert.deepEqual((await download('Save the encrypted copy')).json.entries, sealed.json.entries);

  await one.press('Delete everything');
  await one.refused('Nothing is deleted. Type “delete” first.');
  await one.page.getByLabel('Type “delete” to confirm').fill('delete');
  await one.press('Delete everything');
  await one.told('Everything is deleted.');
  await one.heading('Choose a passphrase').waitFor();

  // The other device learns of it at its next sync, and keeps what was not saved there.
  await other.page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await other.told('Your journal was deleted');
  await other.setUp('five grey geese over the marsh');
  await other.listed();
  await other.page.getByRole('region', { name: 'Not saved yet' }).getByRole('link', { name: 'Left over' }).click();
  await other.press('Save');
  await other.told('Saved.');
});

describe('a sign-in that is not this page’s own opens nothing', () => {
  /** Begins a sign-in and leaves it at the provider: the `state` that would bring it back. */
  async function begun(one) {
    await one.page.goto(stage.url);
    const asking = one.page.waitForRequest((request) => request.url().startsWith(`${stage.issuer}/authorize?`));
    await one.press('Sign in');
    const request = await asking;
    await one.page.waitForURL((url) => url.origin === new URL(stage.issuer).origin);
    return new URL(request.url()).searchParams.get('state');
  }

  async function comeBack(one, answer) {
    await one.page.goto(`${stage.url}/?${new URLSearchParams(answer)}`);
    await one.heading('Your journal').waitFor();
    assert.equal(await one.page.evaluate(() => sessionStorage.length), 0, 'the way back is good once');
    assert.equal(new URL(one.page.url()).search, '');
  }

  test('with a state that it never gave', async () => {
    const one = await device(await stage.person());
    await begun(one);
    await comeBack(one, { code: 'stolen', state: 'another', iss: stage.issuer });
    await one.refused('That sign-in was begun elsewhere, or used before.');
  });

  test('from another issuer, or from one that does not say who it is', async () => {
    const one = await device(await stage.person());
    for (const iss of [{ iss: 'https://evil.example' }, {}]) {
      const state = await begun(one);
      await comeBack(one, { code: 'stolen', state, ...iss });
      await one.refused('You are not signed in.');
    }
  });

  test('with a code that is not of this sign-in', async () => {
    const one = await device(await stage.person());
    const state = await begun(one);
    await comeBack(one, { code: 'x'.repeat(43), state, iss: stage.issuer });
    await one.refused('You are not signed in.');
  });

  test('when the person said no', async () => {
    const one = await device(await stage.person());
    const state = await begun(one);
    await comeBack(one, { error: 'access_denied', state, iss: stage.issuer });
    await one.refused('the journal was not allowed to read and write');
  });
});

test('signing out ends the sign-in at the provider', async () => {
  const { one } = await writer();
  await one.press('Sign out');
  await one.page.getByText('You are signed out.').waitFor();
  assert.equal(one.page.url(), `${stage.url}/`);
  await one.press('Sign in');
  await one.page.locator('input[name=password]').waitFor();
});

test('the access log says what was done, and of which entry', async () => {
  const { one } = await writer();
  await one.write({ title: 'Herons' });
  await one.go('Access log');
  const log = one.page.locator('.entries li');
  await log.filter({ hasText: 'Wrote an entry: Herons' }).waitFor();
  await log.filter({ hasText: 'Stored the wrapped keys' }).waitFor();
  assert.match(await log.first().innerText(), /by journal-web/);
});

test('an entry is written by keyboard alone', async () => {
  const { one } = await writer();
  const { page } = one;
  const { keyboard } = page;

  /** Presses Tab until the focus is on `name`; every stop on the way must show that it has the focus. */
  async function tabTo(name) {
    for (let presses = 0; presses < 40; presses++) {
      const focus = await page.evaluate(() => {
        const element = document.activeElement;
        if (!element || element === document.body) return { on: '' };
        const outlines = [getComputedStyle(element), getComputedStyle(element, '::after')];
        const shown = element.tagName === 'H1' || outlines.some((style) => style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0);
        return { on: element.labels?.[0]?.innerText ?? element.innerText.trim(), shown };
      });
      assert.notEqual(focus.shown, false, `no visible focus on ${focus.on}`);
      if (focus.on === name) return;
      await keyboard.press('Tab');
    }
    assert.fail(`Tab never reached ${name}`);
  }

  assert.equal(await page.evaluate(() => document.activeElement.tagName), 'H1', 'a new view has the focus on its heading');
  await tabTo('Write');
  await keyboard.press('Enter');
  await tabTo('Title');
  await keyboard.type('Herons');
  await tabTo('Text');
  await keyboard.type('Two of them.');
  await tabTo('Tags');
  await keyboard.type('birds');
  await tabTo('Save');
  await keyboard.press('Space');
  await one.told('Saved.');
  assert.equal(await page.evaluate(() => document.activeElement.innerText), 'Herons');
  await tabTo('Delete');
  await keyboard.press('Enter');
  await page.getByRole('dialog').waitFor();
  await keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.innerText), 'Delete', 'focus comes back from a question');
  await tabTo('Edit');
  await keyboard.press('Enter');
  await tabTo('Text');
  await keyboard.press('Control+End');
  await keyboard.type(' And an otter.');
  await keyboard.press('Control+Enter');
  await one.told('Saved.');
  assert.equal(await page.locator('div.text').innerText(), 'Two of them. And an otter.');
});

/** The same as it may stand in a file, a header, a form or a URL. */
function disguises(secret) {
  const bytes = Buffer.from(secret);
  const encoded = [0, 1, 2].flatMap((offset) => {
    // Within a longer text, base64 depends on where it begins; the characters that others have a share in are left out.
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64').replace(/=+$/, '');
    const inner = text.slice(Math.ceil((offset * 4) / 3), bytes.length % 3 === 0 && offset === 0 ? undefined : -1);
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')];
  });
  const json = JSON.stringify(secret).slice(1, -1);
  const form = new URLSearchParams({ x: secret }).toString().slice(2);
  return [...new Set([secret, json, form, encodeURIComponent(secret), bytes.toString('hex'), bytes.toString('latin1'), ...encoded])];
}

test('neither databases nor logs nor traffic nor browser storage have anything of what is written, or of what opens it', async () => {
  const person = await stage.person();
  const written = {
    title: 'Quincunx in the orchard',
    text: 'Umbelliferous zephyrs, nobody else shall know of the marzipan.',
    tags: 'persimmon',
  };
  const traffic = [];
  const bodies = [];
  const vaults = [];
  const record = (context) => {
    context.on('request', (request) => {
      if (request.method() === 'PUT' && request.url() === `${stage.url}/vault`) vaults.push(request.postData());
      traffic.push(`${request.method()} ${request.url()}`, request.postDataBuffer() ?? '');
    });
    context.on('requestfinished', (request) => {
      bodies.push(request.allHeaders().then((headers) => traffic.push(JSON.stringify(headers))));
      bodies.push(request.response().then(async (response) => {
        traffic.push(JSON.stringify(await response.allHeaders()));
        // A redirect has no body, and a page that was left may have taken its answer with it.
        traffic.push(await response.body().catch(() => ''));
      }));
    });
  };
  const storage = [];
  const store = async ({ context, page }) => {
    storage.push(JSON.stringify(await context.storageState({ indexedDB: true })));
    storage.push(await page.evaluate(async () => JSON.stringify({
      local: { ...localStorage },
      session: { ...sessionStorage },
      databases: await indexedDB.databases(),
      caches: await caches.keys(),
      history: history.state,
      title: document.title,
      url: location.href,
    })));
  };

  const one = await device(person);
  record(one.context);
  await one.signIn();
  const recoveryKey = await one.setUp(passphrase);
  await one.listed();
  await store(one);
  await one.write(written);
  await store(one);
  const id = new URL(one.page.url()).hash.split('/')[2];
  await one.page.getByRole('link', { name: 'Edit' }).click();
  await one.fillEntry({ text: `${written.text} Nor of the nougat.` });
  await store(one);
  await one.press('Save');
  await one.told('Saved.');
  await one.go('Entries');
  await one.page.getByRole('searchbox', { name: 'Search' }).fill('marzipan persimmon');
  await one.openEntry(written.title);
  await one.go('Access log');
  await one.page.locator('.entries li').first().waitFor();
  await one.press('Lock');
  await one.tryToUnlock('a passphrase that is wrong altogether');
  await one.refused('That is not the passphrase');
  await one.unlock(passphrase);

  const other = await device(person);
  record(other.context);
  await other.signIn();
  await other.press('Use the recovery key');
  await other.page.getByLabel('Recovery key', { exact: true }).fill(recoveryKey);
  await other.press('Unlock');
  await other.press('Not now');
  await other.listed();
  await other.openEntry(written.title);
  await store(other);
  await other.go('Keys');
  await other.press('Change the passphrase');
  await other.page.getByLabel('Your passphrase now', { exact: true }).fill(passphrase);
  const changed = 'five grey geese over the marsh';
  await other.page.getByLabel('New passphrase', { exact: true }).fill(changed);
  await other.page.getByLabel('The same again', { exact: true }).fill(changed);
  await other.press('Change it');
  await other.told('Your passphrase is changed');
  await store(other);

  // Whoever has the database and the passphrase needs nothing of ours, and nobody else gets in.
  const jwe = (await storedEntries()).get(id);
  assert.equal(jwe.revision, 2);
  const { passphrase: wrapped } = JSON.parse(vaults.at(-1));
  assert.ok((await stage.databases()).some(([, bytes]) => bytes.includes(wrapped)), 'the vault that was sent is in the database');
  const opened = await compactDecrypt(wrapped, Buffer.from(changed), { keyManagementAlgorithms: ['PBES2-HS512+A256KW'], maxPBES2Count: 1_000_000 });
  const { k: dataKey } = JSON.parse(Buffer.from(opened.plaintext).toString());
  assert.equal(Buffer.from(dataKey, 'base64url').length, 32);
  const { plaintext, protectedHeader } = await compactDecrypt(jwe.jwe, Buffer.from(dataKey, 'base64url'));
  assert.deepEqual(protectedHeader, { alg: 'dir', enc: 'A256GCM', typ: 'journal-entry', entry: id, revision: 2 });
  const { written_at: writtenAt, ...content } = JSON.parse(Buffer.from(plaintext).toString());
  assert.deepEqual(content, { title: written.title, text: `${written.text} Nor of the nougat.`, tags: ['persimmon'] });
  assert.ok(!Number.isNaN(Date.parse(writtenAt)));

  // So that it is known that what is looked for would be found: words that are put where they do not belong.
  const control = { sent: 'control-word-in-traffic äöü', stored: 'control-word-in-storage' };
  await one.page.evaluate(async ({ sent, stored }) => {
    await fetch('/entries', { method: 'POST', body: JSON.stringify({ body: sent }) });
    localStorage.setItem('control', stored);
  }, control);
  await store(one);
  await one.page.evaluate(() => localStorage.clear());
  await Promise.all(bodies);

  const places = {
    databases: (await stage.databases()).map(([, bytes]) => bytes),
    'log of the journal': [await stage.log()],
    'log of the provider': [await stage.provider.log()],
    traffic,
    storage,
  };
  const inLatin = Object.fromEntries(Object.entries(places).map(([place, pieces]) => [place, pieces.map((piece) => (Buffer.isBuffer(piece) ? piece : Buffer.from(piece)).toString('latin1'))]));
  const found = (secret) => {
    const forms = disguises(secret).map((form) => Buffer.from(form).toString('latin1'));
    return Object.keys(inLatin).filter((place) => inLatin[place].some((piece) => forms.some((form) => piece.includes(form))));
  };

  const secrets = {
    title: written.title, text: written.text, words: 'marzipan', tag: 'persimmon', more: 'nougat',
    passphrase, changed, 'part of the passphrase': 'quiet herons', wrong: 'a passphrase that is wrong',
    'recovery key': recoveryKey, 'recovery key without dashes': recoveryKey.replaceAll('-', ''), 'its groups': recoveryKey.slice(10, 24),
    'data key': dataKey, 'bytes of the data key': Buffer.from(dataKey, 'base64url').toString('hex'),
  };
  for (const [name, secret] of Object.entries(secrets)) assert.deepEqual(found(secret), [], name);
  const keyBytes = Buffer.from(dataKey, 'base64url').toString('latin1');
  assert.ok(Object.values(inLatin).flat().every((piece) => !piece.includes(keyBytes)), 'the bytes of the data key, as they are');

  assert.ok(found(control.sent).includes('traffic'));
  assert.deepEqual(found(control.stored), ['storage']);
  // Known to be in the others: who wrote, ciphertext, and what logs begin with.
  assert.ok(found(person.email).includes('databases'));
  assert.deepEqual(['databases', 'traffic'].filter((place) => found(jwe.jwe).includes(place)), ['databases', 'traffic']);
  assert.ok(found('DEBUG').includes('log of the journal'), 'it says all that it ever says');
  assert.ok(found(stage.issuer).includes('log of the provider'));
});

describe('every view', () => {
  /** Walks through all views; the steps build on each other, as a visit does. */
  async function tour(one, look) {
    const { page } = one;
    await page.goto(`${stage.url}/`);
    await one.heading('Your journal').waitFor();
    await look('welcome');
    await one.press('Sign in');
    await page.waitForURL((url) => url.origin === stage.issuer);
    await one.answerProvider();
    await one.heading('Choose a passphrase').waitFor();
    await look('set-up');
    await one.press('Go on');
    await one.refused('Choose at least 12');
    await look('set-up-refused');
    await page.getByLabel('Passphrase', { exact: true }).fill(passphrase);
    await page.getByLabel('The same again', { exact: true }).fill(passphrase);
    await one.press('Go on');
    await one.heading('Your recovery key').waitFor();
    await look('recovery-key');
    const recoveryKey = await one.confirmRecoveryKey('Your recovery key');
    await one.listed();
    await look('empty');
    await one.write({ title: 'Frühstück im Café', text: 'Long talk with M. about moving house.', tags: 'friends' });
    await one.write({ title: 'Herons at the weir', text: 'Two of them this morning, one on each side of the water, as if they had agreed not to look at each other. The river was high and brown.\n\nI stood there until my tea was cold.', tags: 'birds, river' });
    await look('entry');
    await one.press('Delete');
    await look('question');
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Edit' }).click();
    await one.fillEntry({ text: 'Two of them.' });
    await look('editor');
    const conflict = async (route) => {
      if (route.request().method() === 'PUT') return route.fulfill({ status: 412, json: { error: 'precondition_failed' } });
      return route.continue();
    };
    await page.route(/\/entries\/[^/]+$/, conflict);
    await one.press('Save');
    await one.heading('There are two versions').waitFor();
    await look('conflict');
    await page.unroute(/\/entries\/[^/]+$/, conflict);
    await one.go('Entries');
    await page.getByRole('region', { name: 'Not saved yet' }).waitFor();
    await look('list');
    await page.getByRole('searchbox', { name: 'Search' }).fill('cafe');
    await look('search');
    await one.go('Keys');
    await look('keys');
    await one.press('Change the passphrase');
    await look('passphrase');
    await one.go('Your data');
    await look('data');
    await one.go('Access log');
    await page.locator('.entries li').first().waitFor();
    await look('accesses');
    await one.press('Lock');
    await one.heading('Unlock your journal').waitFor();
    await look('unlock');
    await one.tryToUnlock('not the passphrase');
    await one.refused('That is not');
    await look('unlock-refused');
    await one.press('Use the recovery key');
    await look('recover');
    await page.getByLabel('Recovery key', { exact: true }).fill(recoveryKey);
    await one.press('Unlock');
    await one.heading('Choose a new passphrase').waitFor();
    await look('new-passphrase');
    await one.press('Not now');
    await one.listed();
    await page.getByRole('region', { name: 'Not saved yet' }).getByRole('link').click();
    await one.press('Discard');
    await page.getByRole('dialog').getByRole('button', { name: 'Discard' }).click();
    await one.press('Sign out');
    await one.heading('Goodbye').waitFor();
    await look('signed-out');
  }

  const summary = ({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => `    ${node.html.slice(0, 200)} ${node.any.map((check) => check.message)}`).join('\n')}`;

  for (const [name, viewport] of Object.entries({ phone, desktop })) {
    for (const colorScheme of ['light', 'dark']) {
      test(`${name}, ${colorScheme}: axe finds nothing, nothing scrolls sideways`, async () => {
        const person = await stage.person();
        // The page's policy lets no foreign script in, axe included; only here it is set aside.
        const one = await device(person, { viewport, colorScheme, bypassCSP: true, reducedMotion: 'reduce', hasTouch: name === 'phone', isMobile: name === 'phone' });
        const { page } = one;
        await tour(one, async (view) => {
          await page.screenshot({ path: `${out}journal-${view}-${name}-${colorScheme}.png`, fullPage: true });
          await page.evaluate(`${axe}; 0`);
          const report = await page.evaluate(() => window.axe.run());
          assert.deepEqual(report.violations.map(summary), [], view);
          const overflow = await page.evaluate(() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth);
          assert.equal(overflow, 0, `${view}: scrolls sideways`);
          assert.equal(await page.locator('h1').count(), 1, `${view}: one h1`);
        });
      });
    }
  }

  test('the policy of the page is as strict as it is said to be, and no view is at odds with it', async () => {
    const person = await stage.person();
    const one = await device(person, { viewport: { width: 320, height: 640 } });
    const answer = await one.page.goto(`${stage.url}/`);
    const policy = answer.headers()['content-security-policy'];
    for (const directive of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'", "trusted-types 'none'", "frame-ancestors 'none'"]) {
      assert.ok(policy.includes(directive), directive);
    }
    const refused = [];
    await one.context.exposeFunction('refusedByPolicy', (directive) => refused.push(directive));
    await one.page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => window.refusedByPolicy(`${event.effectiveDirective} ${event.blockedURI}`));
    });
    const seen = [];
    await tour(one, async (view) => {
      seen.push(view);
      const overflow = await one.page.evaluate(() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth);
      assert.equal(overflow, 0, `${view}: scrolls sideways at 320 pixels`);
    });
    assert.deepEqual(refused, []);
    assert.equal(seen.length, 20);
    // The listener would have told.
    await one.page.evaluate(() => {
      try {
        document.body.innerHTML = 'x';
      } catch {
        // That is what trusted types are for.
      }
    });
    await until(() => refused.some((directive) => directive.startsWith('require-trusted-types-for')), 'the refusal');
    one.complaints.length = 0;
  });

  test('without JavaScript the page says what it needs', async () => {
    const context = await stage.browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`${stage.url}/`);
    assert.match(await page.locator('main').innerText(), /needs JavaScript/);
    await context.close();
  });
});
