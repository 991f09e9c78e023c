import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { newEntryId, open, seal } from '../build/entry.js';
import { ApiError, TooLong, Unreachable } from '../build/errors.js';
import { Conflicting, Journal, JournalGone } from '../build/sync.js';

const key = await crypto.subtle.importKey('raw', new Uint8Array(32), 'AES-GCM', false, ['encrypt', 'decrypt']);
const content = (title, written_at = '2026-01-01T00:00:00.000Z') => ({ title, text: '', tags: [], written_at });

/** A server as the contract has it: entries in the order of their last change. */
class Server {
  log = [];

  /** Two at a time, so that there is always more. */
  async changes(after) {
    const from = Number(after ?? 0);
    const newest = new Map(this.log.map((entry, at) => [entry.id, at]));
    const rest = this.log.map((entry, at) => ({ entry, at })).filter(({ entry, at }) => at >= from && newest.get(entry.id) === at);
    const page = rest.slice(0, 2);
    return { entries: page.map(({ entry }) => entry), cursor: String(page.length ? page.at(-1).at + 1 : from), more: rest.length > 2 };
  }

  #live(id) {
    const entry = this.log.findLast((each) => each.id === id);
    if (!entry || entry.deleted) throw new ApiError(404, 'not_found');
    return entry;
  }

  async entry(id) {
    return this.#live(id);
  }

  async create(body) {
    const { entry: id, revision } = JSON.parse(Buffer.from(body.split('.')[0], 'base64url'));
    if (this.log.some((each) => each.id === id)) throw new ApiError(409, 'conflict');
    this.log.push({ id, revision, body });
  }

  async replace(id, revision, body) {
    if (this.#live(id).revision !== revision) throw new ApiError(412, 'precondition_failed');
    this.log.push({ id, revision: revision + 1, body });
  }

  async remove(id, revision) {
    if (this.#live(id).revision !== revision) throw new ApiError(412, 'precondition_failed');
    this.log.push({ id, revision: revision + 1, deleted: true });
  }
}

let server;
let one;
let other;
const titles = (journal) => journal.list().map((entry) => entry.content?.title ?? entry.reason);
const id = newEntryId();

beforeEach(() => {
  server = new Server();
  [one, other] = [new Journal(server, key, new Map()), new Journal(server, key, new Map())];
});

test('what one device writes, changes and deletes, the other has after a sync', async () => {
  for (const day of [1, 2, 3, 4, 5]) await one.save(newEntryId(), 0, content(`day ${day}`, `2026-01-0${day}T00:00:00.000Z`));
  assert.equal(await other.sync(), true);
  assert.deepEqual(titles(other), ['day 5', 'day 4', 'day 3', 'day 2', 'day 1']);
  assert.equal(await other.sync(), false);

  const { id: third } = other.list()[2];
  await other.save(third, 1, content('the third', '2026-01-03T00:00:00.000Z'));
  await other.remove(other.list()[0].id, 1);
  assert.equal(await one.sync(), true);
  assert.deepEqual(titles(one), ['day 4', 'the third', 'day 2', 'day 1']);
  assert.equal((await open(key, await server.entry(third))).title, 'the third');
});

test('who is slower learns what is there, and nothing is overwritten', async () => {
  await one.save(id, 0, content('first'));
  await other.sync();
  await other.save(id, 1, content('of the other'));
  await assert.rejects(one.save(id, 1, content('of this one')), (error) => error instanceof Conflicting && error.revision === 2 && error.content.title === 'of the other');
  assert.equal((await open(key, await server.entry(id))).title, 'of the other');
  await one.save(id, 2, content('of this one'));
  await other.sync();
  assert.deepEqual(titles(other), ['of this one']);
  await other.remove(id, 3);
  await assert.rejects(one.save(id, 3, content('too late')), (error) => error instanceof Conflicting && error.content === undefined && error.unreadable === undefined);
});

test('a save whose answer got lost counts as saved when it is tried again', async () => {
  for (const name of ['create', 'replace']) {
    const base = name === 'create' ? 0 : 1;
    const real = server[name].bind(server);
    server[name] = async (...all) => {
      await real(...all);
      throw new Unreachable();
    };
    await assert.rejects(one.save(id, base, content(name)), Unreachable);
    server[name] = real;
    await one.save(id, base, content(name));
    assert.equal(one.get(id).revision, base + 1);
    assert.deepEqual(titles(one), [name]);
  }
});

test('an entry that does not open says why, and leaves the others alone', async () => {
  await one.save(newEntryId(), 0, content('good'));
  const [good] = server.log;
  server.log.push({ id, revision: 1, body: good.body }, { id: newEntryId(), revision: 1, body: 'nonsense' });
  await other.sync();
  assert.deepEqual(titles(other).sort(), ['good', 'it is not encrypted as entries are', 'the server passed another entry off as this one']);
});

test('a server that goes back to an older version is not believed, not even after a lock', async () => {
  const seen = new Map();
  const journal = new Journal(server, key, seen);
  await journal.save(id, 0, content('old'));
  await journal.save(id, 1, content('new'));
  await journal.sync();
  const [old] = server.log;
  server.log.push({ ...old });
  await journal.sync();
  assert.deepEqual(titles(journal), ['new']);
  assert.match(journal.get(id).warning, /went back to version 1 of it, after it had shown version 2/);

  const unlocked = new Journal(server, key, seen);
  await unlocked.sync();
  assert.deepEqual(titles(unlocked), ['the server went back to version 1 of it, after it had shown version 2']);
  await assert.rejects(unlocked.save(id, 2, content('newer')), (error) => error instanceof Conflicting && /went back/.test(error.unreadable));
});

test('a deleted entry is not raised from the dead', async () => {
  await one.save(id, 0, content('gone'));
  await one.remove(id, 1);
  const [old] = server.log;
  server.log.push({ ...old, revision: 2 });
  await one.sync();
  assert.deepEqual(titles(one), []);
});

test('a list that was under way while an entry was saved is no rollback', async () => {
  await one.save(id, 0, content('first'));
  const real = server.changes.bind(server);
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  server.changes = async (after) => {
    const changes = await real(after);
    await held;
    return changes;
  };
  const syncing = one.sync();
  const saving = one.save(id, 1, content('second'));
  release();
  await Promise.all([syncing, saving]);
  assert.deepEqual(titles(one), ['second']);
  assert.equal(one.get(id).warning, undefined);
});

test('a journal that was deleted is told apart from a failure', async () => {
  server.changes = () => Promise.reject(new ApiError(410, 'gone'));
  await assert.rejects(one.sync(), JournalGone);
  server.create = () => Promise.reject(new ApiError(410, 'gone'));
  await assert.rejects(one.save(newEntryId(), 0, content('late')), JournalGone);
  server.changes = () => Promise.reject(new ApiError(503, 'server_error'));
  await assert.rejects(one.sync(), ApiError);
});

test('an entry that is too long is not even sent', async () => {
  await assert.rejects(one.save(id, 0, { ...content(''), text: 'x'.repeat(64 * 1024) }), TooLong);
  assert.deepEqual(server.log, []);
  // Just short enough: header, IV, tag and base64url take their part.
  await one.save(id, 0, { ...content(''), text: 'x'.repeat(48_000) });
});

test('the header of what is saved says what the server is told', async () => {
  await one.save(id, 0, content('a'));
  await one.save(id, 1, content('b'));
  const headers = server.log.map(({ body }) => JSON.parse(Buffer.from(body.split('.')[0], 'base64url')));
  assert.deepEqual(headers.map(({ entry, revision }) => [entry, revision]), [[id, 1], [id, 2]]);
  assert.ok(await seal(key, id, 1, content('a')));
});
