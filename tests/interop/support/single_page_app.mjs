// The single-page application of the tests with oidc-client-ts: a server for its one page and the library.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';

/** Serves the one page of the application under every path, and the library. */
export async function serveApplication() {
  const library = await readFile(fileURLToPath(new URL('../browser/oidc-client-ts.js', import.meta.resolve('oidc-client-ts'))));
  const page = await readFile(new URL('app.html', import.meta.url));
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://application');
    if (pathname === '/favicon.ico') response.writeHead(204).end();
    else if (pathname === '/oidc-client-ts.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(library);
    else response.writeHead(200, { 'content-type': 'text/html' }).end(page);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
