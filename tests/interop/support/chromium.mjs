// Debian's Chromium, driven by playwright-core. Nothing is downloaded.

import { chromium } from 'playwright-core';

const quiet = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

export function launchChromium() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    // Chromium's sandbox does not work for root; it shows nothing but our own pages here.
    args: process.getuid?.() === 0 ? [...quiet, '--no-sandbox'] : quiet,
  });
}
