import { button, el, show } from './dom.ts';

/** Whoever is not signed in. */
export function welcomeView(enter: () => Promise<void>, complaint?: string, message?: string): void {
  show('Welcome',
    el('h1', {}, message === undefined ? 'Your journal' : 'Goodbye'),
    message === undefined ? undefined : el('p', {}, message),
    complaint === undefined ? undefined : el('div', { class: 'alert', role: 'alert' }, el('p', {}, complaint)),
    el('p', {}, 'What you write is encrypted on this device before it leaves it. The server keeps it, and cannot read it.'),
    button('Sign in', () => void enter(), { class: 'primary' }));
}

/** The tab in which somebody signed in again for another one. */
export function returnedView(): void {
  show('Signed in', el('h1', {}, 'You are signed in again'), el('p', {}, 'Close this tab, and go on in the one you came from.'));
}
