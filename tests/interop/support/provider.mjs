// Starts the built provider for one test file, in a folder and on a port of its own, and
// registers people, clients and APIs with its command line, as an operator would.

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import { Program, answers } from './program.mjs';

const binary = process.env.COUNTERSIGN_BIN ?? fileURLToPath(new URL('../../../target/debug/countersign', import.meta.url));
const mailSeconds = 10;

/** A loopback port that nothing listens on at this moment. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

export class Provider extends Program {
  /** Starts a provider; it answers when this returns. `settings` are further `COUNTERSIGN_…` variables. */
  static async start(settings = {}) {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-interop-'));
    const port = await freePort();
    const provider = new Provider(folder, `http://localhost:${port}`, {
      PATH: process.env.PATH,
      COUNTERSIGN_ISSUER: `http://localhost:${port}`,
      COUNTERSIGN_LISTEN: `127.0.0.1:${port}`,
      COUNTERSIGN_DATABASE__URL: `sqlite://${folder}/db`,
      COUNTERSIGN_KEYS__DIR: `${folder}/keys`,
      ...settings,
    });
    try {
      await provider.serve(binary, ['serve'], provider.environment, () => answers(`${provider.issuer}/readyz`, 200));
    } catch (error) {
      await provider.stop();
      throw error;
    }
    return provider;
  }

  constructor(folder, issuer, environment) {
    super(folder);
    this.issuer = issuer;
    this.environment = environment;
  }

  /** Runs `countersign ARGUMENTS --json` beside the server and returns what it printed. */
  async run(command, { input = '' } = {}) {
    const child = execFile(binary, [...command, '--json'], { cwd: this.folder, env: this.environment });
    const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => stream.toArray());
    child.stdin.on('error', () => {}); // it may end without reading
    child.stdin.end(input);
    const [status] = await once(child, 'close');
    if (status !== 0) {
      throw new Error(`countersign ${command.join(' ')} ended with ${status}: ${(await stderr).join('')}`);
    }
    const printed = (await stdout).join('');
    return printed.trim() === '' ? undefined : JSON.parse(printed);
  }

  /** The newest mail to `address` that `fits`, as a development start keeps it: `{ subject, text, … }`; waits for it. */
  async mail(address, fits = () => true) {
    const folder = join(this.folder, 'data/mail');
    const deadline = Date.now() + mailSeconds * 1000;
    while (true) {
      const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.json'));
      const mails = await Promise.all(names.sort().reverse().map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8'))));
      const found = mails.find((mail) => mail.to === address && fits(mail));
      if (found) return found;
      if (Date.now() > deadline) throw new Error(`no such mail to ${address} among: ${mails.map(({ subject }) => subject).join(', ')}`);
      await delay(50);
    }
  }

  async addUser({ email, name, password }) {
    await this.run(['user', 'add', email, '--name', name, '--password-stdin'], { input: password });
    return { username: email, password };
  }

  /** Registers a client; returns its secret, if it has one. */
  async addClient(id, ...options) {
    const printed = await this.run(['client', 'add', id, ...options]);
    return printed.client_secret;
  }
}
