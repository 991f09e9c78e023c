'use strict';
{
  const name = document.documentElement.dataset.cookie;

  const browserState = () => {
    const pair = document.cookie.split('; ').find((pair) => pair.startsWith(`${name}=`));
    return pair ? pair.slice(name.length + 1) : '';
  };

  // The message is the client, a space, and the session_state that the client was given: a hash, a dot and a salt.
  const check = async (message, origin) => {
    const at = message.lastIndexOf(' ');
    const [hash, salt, ...rest] = message.slice(at + 1).split('.');
    const isReadable = at > 0 && hash && salt && rest.length === 0;
    // Where cookies are kept from frames, nothing can be said: an app that heard "changed" would ask for ever.
    if (!isReadable || !navigator.cookieEnabled || !crypto.subtle) return 'error';
    const text = `${message.slice(0, at)} ${origin} ${browserState()} ${salt}`;
    const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
    const base64 = btoa(String.fromCharCode(...digest));
    const expected = base64.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    return expected === hash ? 'unchanged' : 'changed';
  };

  addEventListener('message', async ({ data, origin, source }) => {
    // Nobody but the page that holds this frame, and frames of its origin.
    const holders = location.ancestorOrigins;
    if (!source || origin === 'null' || (holders && holders[0] !== origin)) return;
    source.postMessage(typeof data === 'string' ? await check(data, origin) : 'error', origin);
  });
}
