// What a passphrase must be. It alone stands between a copy of the server's database and the journal.

export const shortest = 12;

/** What is wrong with it, or `undefined`. */
export function complaint(passphrase: string): string | undefined {
  const length = [...passphrase].length;
  if (length < shortest) return `Choose at least ${shortest} characters; these are ${length}.`;
  if (new Set(passphrase.toLowerCase()).size < 5) return 'Choose something less repetitive: it needs at least 5 different characters.';
  return undefined;
}

/** A word on one that passes. A guide for people, no measure: what is guessable in it, no program knows. */
export function advice(passphrase: string): string {
  const length = [...passphrase].length;
  if (complaint(passphrase) !== undefined) {
    return `At least ${shortest} characters. Five or more words that nobody would guess are good and easy to type.`;
  }
  const words = passphrase.trim().split(/[\s\-_.]+/).filter((word) => word.length > 2).length;
  if (length >= 24 || words >= 5) return 'Strong, if it is not a quotation or a song.';
  if (length >= 16 || words >= 4) return 'Good. Another word would make it strong.';
  return 'Long enough, but just so. One or two more words would make it much harder to guess.';
}
