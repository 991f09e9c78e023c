/** Where this journal is and who signs people in, as its server says. */
export interface Settings {
  issuer: string;
  client_id: string;
  audience: string;
  scope: string;
  /** What the provider calls a sign-in with a second factor. */
  acr_of_mfa: string;
}

export async function loadSettings(): Promise<Settings> {
  const answer = await fetch('/settings.json', { headers: { accept: 'application/json' }, cache: 'no-store' });
  if (!answer.ok) throw new Error(`settings.json: ${answer.status}`);
  return (await answer.json()) as Settings;
}
