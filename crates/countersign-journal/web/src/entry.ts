// An entry as it is read, and as it is stored: a compact JWE whose header says which entry and which revision it is.

import { CompactEncrypt, compactDecrypt, decodeProtectedHeader } from 'jose';

import { textOf, utf8 } from './bytes.ts';

export interface Content {
  title: string;
  text: string;
  tags: string[];
  /** ISO 8601. */
  written_at: string;
}

/** What the server says an entry is. */
export interface Stated {
  id: string;
  revision: number;
  body: string;
}

/** Why an entry cannot be read, in words for its reader. */
export class EntryError extends Error {}

const typ = 'journal-entry';
const headerNames = ['alg', 'enc', 'entry', 'revision', 'typ'].join();
/** The longest JWE that the server takes, in bytes. */
export const longest = 64 * 1024;

export function newEntryId(): string {
  return crypto.randomUUID();
}

export function seal(key: CryptoKey, id: string, revision: number, content: Content): Promise<string> {
  const { title, text, tags, written_at } = content;
  return new CompactEncrypt(utf8(JSON.stringify({ title, text, tags, written_at })))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ, entry: id, revision })
    .encrypt(key);
}

/**
 * Reads an entry, and holds the server to what it said. The header is authenticated with the text, so a server that passes one
 * entry off as another, or an older revision as a newer one, is found out here.
 */
export async function open(key: CryptoKey, stated: Stated): Promise<Content> {
  let header: Record<string, unknown>;
  try {
    header = decodeProtectedHeader(stated.body) as Record<string, unknown>;
  } catch {
    throw new EntryError('it is not encrypted as entries are');
  }
  if (Object.keys(header).sort().join() !== headerNames || header.alg !== 'dir' || header.enc !== 'A256GCM' || header.typ !== typ) {
    throw new EntryError('it is not encrypted as entries are');
  }
  if (header.entry !== stated.id) throw new EntryError('the server passed another entry off as this one');
  if (header.revision !== stated.revision) throw new EntryError('the server passed another version off as this one');
  let plaintext: Uint8Array;
  try {
    const options = { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] };
    ({ plaintext } = await compactDecrypt(stated.body, key, options));
  } catch {
    throw new EntryError('it was altered, or encrypted with another key');
  }
  return parse(plaintext);
}

function parse(plaintext: Uint8Array): Content {
  const wrong = new EntryError('what is in it is not an entry');
  let content: Partial<Record<keyof Content, unknown>>;
  try {
    content = JSON.parse(textOf(plaintext)) as typeof content;
  } catch {
    throw wrong;
  }
  const { title, text, tags, written_at } = content ?? {};
  const isText = (value: unknown): value is string => typeof value === 'string';
  if (!isText(title) || !isText(text) || !isText(written_at) || Number.isNaN(Date.parse(written_at))) throw wrong;
  if (!Array.isArray(tags) || !tags.every(isText)) throw wrong;
  return { title, text, tags, written_at };
}

export function isSame(one: Content, other: Content): boolean {
  const parts = ({ title, text, tags, written_at }: Content) => JSON.stringify([title, text, tags, written_at]);
  return parts(one) === parts(other);
}
