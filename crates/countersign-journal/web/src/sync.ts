// The entries as this page knows them, and how they follow the server's.

import type { Changes, Deleted, Live } from './api.ts';
import { type Content, EntryError, isSame, longest, open, seal } from './entry.ts';
import { TooLong, is } from './errors.ts';

export interface Readable {
  id: string;
  revision: number;
  content: Content;
  /** What the server tried with it since. */
  warning?: string;
}

export interface Unreadable {
  id: string;
  revision: number;
  reason: string;
}

export type Kept = Readable | Unreadable;

/** The newest that a server has shown of an entry. It outlives a lock: it tells nothing of what is written. */
export type Seen = Map<string, { revision: number; deleted: boolean }>;

/** What this needs of the server. */
export interface EntryServer {
  changes(after: string | undefined): Promise<Changes>;
  entry(id: string): Promise<Live>;
  create(body: string, after: string | undefined): Promise<void>;
  replace(id: string, revision: number, body: string): Promise<void>;
  remove(id: string, revision: number): Promise<void>;
}

/** The journal was deleted, and with it the key. */
export class JournalGone extends Error {}

/** Somebody else was faster. `content` is `undefined` where the entry was deleted. */
export class Conflicting extends Error {
  readonly revision: number;
  readonly content: Content | undefined;
  readonly unreadable: string | undefined;

  constructor(revision: number, content: Content | undefined, unreadable?: string) {
    super('changed meanwhile');
    [this.revision, this.content, this.unreadable] = [revision, content, unreadable];
  }
}

export function isReadable(entry: Kept): entry is Readable {
  return 'content' in entry;
}

export class Journal {
  readonly #server: EntryServer;
  readonly #key: CryptoKey;
  readonly #seen: Seen;
  readonly #entries = new Map<string, Kept>();
  #cursor: string | undefined;
  #syncing: Promise<boolean> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(server: EntryServer, key: CryptoKey, seen: Seen) {
    [this.#server, this.#key, this.#seen] = [server, key, seen];
  }

  get(id: string): Kept | undefined {
    return this.#entries.get(id);
  }

  /** Newest first; what cannot be read has no time, and comes last. */
  list(): Kept[] {
    const time = (entry: Kept) => (isReadable(entry) ? Date.parse(entry.content.written_at) : -Infinity);
    return [...this.#entries.values()].sort((one, other) => time(other) - time(one) || one.id.localeCompare(other.id));
  }

  forget(): void {
    this.#entries.clear();
  }

  /** Fetches what changed; true where something did. Whoever asks meanwhile gets the same answer. */
  sync(): Promise<boolean> {
    this.#syncing ??= this.#inTurn(() => this.#sync()).finally(() => {
      this.#syncing = undefined;
    });
    return this.#syncing;
  }

  /** One after the other: a list that was on its way while an entry was saved would look like a rollback. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #sync(): Promise<boolean> {
    let changed = false;
    for (;;) {
      let changes: Changes;
      try {
        changes = await this.#server.changes(this.#cursor);
      } catch (error) {
        if (!is(error, 410)) throw error;
        throw new JournalGone();
      }
      for (const entry of changes.entries) changed = (await this.#take(entry)) || changed;
      this.#cursor = changes.cursor;
      if (!changes.more) return changed;
    }
  }

  async #take(stated: Live | Deleted): Promise<boolean> {
    const known = this.#entries.get(stated.id);
    const deleted = 'deleted' in stated;
    const rollback = this.#rollback(stated);
    if (rollback !== undefined) {
      const kept: Kept = known && isReadable(known) ? { ...known, warning: rollback } : { id: stated.id, revision: stated.revision, reason: rollback };
      // A deleted entry stays deleted, whatever is shown of it now.
      if (known === undefined && this.#seen.get(stated.id)?.deleted) return false;
      this.#entries.set(stated.id, kept);
      return true;
    }
    this.#seen.set(stated.id, { revision: stated.revision, deleted });
    if (deleted) return this.#entries.delete(stated.id);
    if (known?.revision === stated.revision && isReadable(known)) return false;
    this.#entries.set(stated.id, await this.#read(stated));
    return true;
  }

  #rollback({ id, revision, ...rest }: Live | Deleted): string | undefined {
    const seen = this.#seen.get(id);
    if (seen === undefined) return undefined;
    const back = revision < seen.revision || (revision === seen.revision && 'deleted' in rest !== seen.deleted);
    return back ? `the server went back to version ${revision} of it, after it had shown version ${seen.revision}` : undefined;
  }

  async #read(stated: Live): Promise<Kept> {
    const { id, revision } = stated;
    try {
      return { id, revision, content: await open(this.#key, stated) };
    } catch (error) {
      if (!(error instanceof EntryError)) throw error;
      return { id, revision, reason: error.message };
    }
  }

  /**
   * Saves over revision `base`, 0 for an entry that is new. Throws `Conflicting` where another revision is there; an entry that
   * is there already as it should be was saved by a request whose answer got lost.
   */
  save(id: string, base: number, content: Content): Promise<void> {
    return this.#inTurn(() => this.#save(id, base, content));
  }

  async #save(id: string, base: number, content: Content): Promise<void> {
    const revision = base + 1;
    const body = await seal(this.#key, id, revision, content);
    if (body.length > longest) {
      const over = Math.ceil(((body.length - longest) * 3) / 4);
      throw new TooLong(`This is too long for one entry, by about ${over} characters. Shorten it, or split it in two.`);
    }
    // Which journal an entry is meant for the server learns by the cursor.
    if (base === 0 && this.#cursor === undefined) await this.#sync();
    try {
      await (base === 0 ? this.#server.create(body, this.#cursor) : this.#server.replace(id, base, body));
    } catch (error) {
      if (is(error, 410)) throw new JournalGone();
      if (!is(error, 412) && !is(error, 409) && !is(error, 404)) throw error;
      const current = await this.#current(id);
      if (current === undefined || !isReadable(current) || !isSame(current.content, content)) throw conflict(current);
      this.#remember(current);
      return;
    }
    this.#remember({ id, revision, content });
  }

  remove(id: string, revision: number): Promise<void> {
    return this.#inTurn(() => this.#remove(id, revision));
  }

  async #remove(id: string, revision: number): Promise<void> {
    try {
      await this.#server.remove(id, revision);
    } catch (error) {
      // Gone is gone, whoever did it.
      if (!is(error, 404)) throw error;
    }
    this.#seen.set(id, { revision: revision + 1, deleted: true });
    this.#entries.delete(id);
  }

  async #current(id: string): Promise<Kept | undefined> {
    try {
      const stated = await this.#server.entry(id);
      const rollback = this.#rollback(stated);
      if (rollback !== undefined) return { id, revision: stated.revision, reason: rollback };
      // Whatever it says, it was asked for this one.
      return await this.#read({ ...stated, id });
    } catch (error) {
      if (is(error, 404)) return undefined;
      throw error;
    }
  }

  #remember(entry: Readable): void {
    this.#seen.set(entry.id, { revision: entry.revision, deleted: false });
    this.#entries.set(entry.id, entry);
  }
}

function conflict(current: Kept | undefined): Conflicting {
  if (current === undefined) return new Conflicting(0, undefined);
  return isReadable(current) ? new Conflicting(current.revision, current.content) : new Conflicting(current.revision, undefined, current.reason);
}
