// Starts the built journal, the example API, for one test file.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const built = fileURLToPath(new URL('../../../target/debug/', import.meta.url));
const beside = process.env.COUNTERSIGN_BIN ? dirname(process.env.COUNTERSIGN_BIN) : built;
const binary = process.env.JOURNAL_BIN ?? join(beside, 'countersign-journal');
const startSeconds = 30;
const stopSeconds = 10;

export class Journal {
  /**
   * Starts a journal for the tokens of `issuer`; it answers when this returns. Its address, `url`, is the audience. `settings` are
   * further variables.
   */
  static async start({ issuer, port, settings = {} }) {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-journal-'));
    const journal = new Journal(folder, `http://localhost:${port}`);
    try {
      await journal.#serve({
        JOURNAL_ISSUER: issuer,
        JOURNAL_AUDIENCE: journal.url,
        JOURNAL_LISTEN: `127.0.0.1:${port}`,
        JOURNAL_DATABASE: join(folder, 'journal.db'),
        ...settings,
      });
    } catch (error) {
      await journal.stop();
      throw error;
    }
    return journal;
  }

  #process;

  constructor(folder, url) {
    this.folder = folder;
    this.url = url;
  }

  async #serve(settings) {
    const log = await open(join(this.folder, 'log'), 'a');
    this.#process = spawn(binary, [], {
      cwd: this.folder,
      env: { PATH: process.env.PATH, ...settings },
      stdio: ['ignore', log.fd, log.fd],
    });
    process.once('exit', () => this.#process.kill('SIGKILL'));
    await once(this.#process, 'spawn');
    await log.close();

    const deadline = Date.now() + startSeconds * 1000;
    while (!(await this.#answers())) {
      if (this.#process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the journal did not start:\n${await this.log()}`);
      }
      await delay(50);
    }
  }

  async #answers() {
    try {
      const answer = await fetch(`${this.url}/entries`);
      await answer.arrayBuffer();
      return answer.status === 401;
    } catch {
      return false; // not listening yet
    }
  }

  /** What the journal has printed so far. */
  log() {
    return readFile(join(this.folder, 'log'), 'utf8');
  }

  async stop() {
    const server = this.#process;
    if (server?.exitCode === null && server.signalCode === null) {
      const closed = once(server, 'exit');
      server.kill('SIGTERM');
      await Promise.race([closed, delay(stopSeconds * 1000, undefined, { ref: false })]);
      server.kill('SIGKILL');
    }
    if (process.env.COUNTERSIGN_TEST_LOG && server) console.error(await this.log());
    await rm(this.folder, { recursive: true, force: true });
  }
}
