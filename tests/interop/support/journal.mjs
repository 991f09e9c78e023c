// Starts the built journal, the example API, for one test file.

import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Program, answers } from './program.mjs';

const built = fileURLToPath(new URL('../../../target/debug/', import.meta.url));
const beside = process.env.COUNTERSIGN_BIN ? dirname(process.env.COUNTERSIGN_BIN) : built;
const binary = process.env.JOURNAL_BIN ?? join(beside, 'countersign-journal');

export class Journal extends Program {
  /**
   * Starts a journal for the tokens of `issuer`; it answers when this returns. Its address, `url`, is the audience. `settings` are
   * further variables.
   */
  static async start({ issuer, port, settings = {} }) {
    const folder = await mkdtemp(join(tmpdir(), 'countersign-journal-'));
    const journal = new Journal(folder, `http://localhost:${port}`);
    try {
      await journal.serve(binary, [], {
        PATH: process.env.PATH,
        JOURNAL_ISSUER: issuer,
        JOURNAL_AUDIENCE: journal.url,
        JOURNAL_LISTEN: `127.0.0.1:${port}`,
        JOURNAL_DATABASE: join(folder, 'journal.db'),
        ...settings,
      }, () => answers(`${journal.url}/entries`, 401));
    } catch (error) {
      await journal.stop();
      throw error;
    }
    return journal;
  }

  constructor(folder, url) {
    super(folder);
    this.url = url;
  }
}
