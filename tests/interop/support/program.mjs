// A program that was built here, started for one test file in a folder of its own, and stopped with it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const startSeconds = 30;
const stopSeconds = 10;

export class Program {
  #process;

  /** `folder` is removed in the end; its file `log` has what the program prints. */
  constructor(folder) {
    this.folder = folder;
  }

  /** Starts it; returns when `isReady`, which may throw while nothing listens yet. */
  async serve(binary, parameters, environment, isReady) {
    const log = await open(join(this.folder, 'log'), 'a');
    this.#process = spawn(binary, parameters, { cwd: this.folder, env: environment, stdio: ['ignore', log.fd, log.fd] });
    process.once('exit', () => this.#process.kill('SIGKILL'));
    await once(this.#process, 'spawn');
    await log.close();

    const deadline = Date.now() + startSeconds * 1000;
    while (!(await isReady().catch(() => false))) {
      if (this.#process.exitCode !== null || Date.now() > deadline) {
        throw new Error(`${binary} did not start:\n${await this.log()}`);
      }
      await delay(50);
    }
  }

  /** What it has printed so far. */
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

/** Whether an address answers with this status. */
export async function answers(address, status) {
  const answer = await fetch(address);
  await answer.arrayBuffer();
  return answer.status === status;
}
