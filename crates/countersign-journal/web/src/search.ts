// Looks through what was decrypted. Nothing that is searched for leaves the page.

import type { Content } from './entry.ts';

/** As one compares words: small letters, without accents. */
export function fold(text: string): string {
  return text.normalize('NFD').replace(/\p{M}/gu, '').toUpperCase().toLowerCase();
}

/** Whether an entry has every word of the query somewhere; `#word` is the beginning of a tag. */
export function matches(content: Content, query: string): boolean {
  const words = fold(query).split(/\s+/).filter((word) => word !== '' && word !== '#');
  if (words.length === 0) return true;
  const tags = content.tags.map(fold);
  const everything = [fold(content.title), fold(content.text), ...tags].join('\n');
  return words.every((word) => (word.startsWith('#') ? tags.some((tag) => tag.startsWith(word.slice(1))) : everything.includes(word)));
}
