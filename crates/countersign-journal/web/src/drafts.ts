// What is typed and not saved. In memory alone, and sealed there while the journal is locked.

import { CompactEncrypt, compactDecrypt } from 'jose';

import { textOf, utf8 } from './bytes.ts';
import type { Content } from './entry.ts';

/** As it stands in the form. */
export interface Fields {
  title: string;
  text: string;
  tags: string;
  /** As `<input type="datetime-local">` has it. */
  written: string;
}

/** What somebody else's save left behind: another version, or none. */
export interface Conflict {
  revision: number;
  content: Content | undefined;
  /** Why there is a version, but it cannot be read. */
  unreadable?: string;
}

export interface Draft {
  id: string;
  /** The revision it began from; 0 for an entry that is new. */
  base: number;
  fields: Fields;
  /** The fields as they were before anything was typed. */
  before: Fields;
  /** When it was written, more exactly than the form knows: ISO 8601. */
  writtenAt: string;
  conflict?: Conflict;
}

const pad = (number: number) => String(number).padStart(2, '0');

/** Local time, to the minute. */
export function localTime(date: Date): string {
  const day = `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())}`;
  return `${day}T${pad(date.getHours())}:${pad(date.getMinutes())}`;
}

export function parseTags(typed: string): string[] {
  const tags = typed.split(',').map((tag) => tag.trim().replace(/^#+/, '').trim()).filter((tag) => tag !== '');
  return [...new Set(tags)];
}

export function draftOf(id: string, base: number, original: Content | undefined, now: Date): Draft {
  const fields: Fields = original === undefined
    ? { title: '', text: '', tags: '', written: localTime(now) }
    : { title: original.title, text: original.text, tags: original.tags.join(', '), written: localTime(new Date(original.written_at)) };
  return { id, base, fields, before: { ...fields }, writtenAt: original?.written_at ?? now.toISOString() };
}

export function contentOf({ fields, before, writtenAt }: Draft): Content {
  const written = new Date(fields.written);
  const untouched = fields.written === before.written || Number.isNaN(written.getTime());
  const written_at = untouched ? writtenAt : written.toISOString();
  return { title: fields.title.trim(), text: fields.text, tags: parseTags(fields.tags), written_at };
}

export function isChanged({ fields, before }: Draft): boolean {
  return (Object.keys(before) as (keyof Fields)[]).some((name) => fields[name] !== before[name]);
}

export class Drafts {
  readonly #open = new Map<string, Draft>();
  #sealed: string[] = [];

  /** Whether something would be lost with the page. */
  get unsaved(): boolean {
    return this.#sealed.length > 0 || this.all().length > 0;
  }

  all(): Draft[] {
    return [...this.#open.values()].filter(isChanged);
  }

  get(id: string): Draft | undefined {
    return this.#open.get(id);
  }

  keep(draft: Draft): void {
    this.#open.set(draft.id, draft);
  }

  drop(id: string): void {
    this.#open.delete(id);
  }

  clear(): void {
    this.#open.clear();
    this.#sealed = [];
  }

  /** Drafts of entries that are no more become new ones. `newId` makes their ids. */
  detach(newId: () => string): void {
    const drafts = this.all();
    this.#open.clear();
    for (const { conflict: _, ...draft } of drafts) this.keep({ ...draft, id: newId(), base: 0 });
  }

  async seal(key: CryptoKey): Promise<void> {
    const sealing = this.all().map(({ conflict: _, ...draft }) =>
      new CompactEncrypt(utf8(JSON.stringify(draft))).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'journal-draft' }).encrypt(key));
    // Not before they are there: what fails here must lose nothing.
    const sealed = await Promise.all(sealing);
    this.#open.clear();
    this.#sealed.push(...sealed);
  }

  /** Their key is gone, with the journal. True where something was lost by that. */
  dropSealed(): boolean {
    const lost = this.#sealed.length > 0;
    this.#sealed = [];
    return lost;
  }

  /** What does not open with this key stays sealed. */
  async unseal(key: CryptoKey): Promise<void> {
    const left: string[] = [];
    for (const jwe of this.#sealed) {
      try {
        const options = { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] };
        const { plaintext } = await compactDecrypt(jwe, key, options);
        this.keep(JSON.parse(textOf(plaintext)) as Draft);
      } catch {
        left.push(jwe);
      }
    }
    this.#sealed = left;
  }
}
