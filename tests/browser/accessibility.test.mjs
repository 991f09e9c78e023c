// axe-core finds nothing to complain of, on any hosted page, in any language, light or dark, phone or desktop.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Stage, desktop, locales, phone } from './support.mjs';

const axe = await readFile(fileURLToPath(new URL('axe.min.js', import.meta.resolve('axe-core'))), 'utf8');
const logo = fileURLToPath(new URL('../../templates/asset/no_logo.svg', import.meta.url));

const summary = ({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => `    ${node.html.slice(0, 200)} ${node.any.map((check) => check.message)}`).join('\n')}`;

/** Takes the tour, and asks axe about every page. */
async function inspect(stage, options) {
  // The pages' policy lets no foreign script in, axe included; only here it is set aside.
  const { context, page } = await stage.open({ ...options, bypassCSP: true });
  await stage.tour(page, async (name) => {
    await page.addScriptTag({ content: axe });
    const report = await page.evaluate(() => window.axe.run());
    assert.deepEqual(report.violations.map(summary), [], name);
    const contrast = (list) => list.some(({ id }) => id === 'color-contrast');
    assert.ok(contrast(report.passes) && !contrast(report.incomplete), `${name}: the contrast of all text was measured`);
  });
  await context.close();
}

describe('in our own colours', () => {
  let stage;
  before(async () => {
    stage = await Stage.set();
  });
  after(() => stage?.strike());

  for (const [locale, language] of Object.entries(locales)) {
    for (const [device, viewport] of Object.entries({ phone, desktop })) {
      for (const colorScheme of ['light', 'dark']) {
        test(`${language}, ${device}, ${colorScheme}`, () => inspect(stage, { locale, viewport, colorScheme }));
      }
    }
  }
});

describe('in the faintest colours that an operator can set', () => {
  let stage;
  before(async () => {
    stage = await Stage.set({
      COUNTERSIGN_BRAND__NAME: 'House & Sons',
      COUNTERSIGN_BRAND__LOGO_FILE: logo,
      COUNTERSIGN_BRAND__ACCENT: '#767676',
      COUNTERSIGN_BRAND__ACCENT_DARK: '#868686',
    });
  });
  after(() => stage?.strike());

  for (const colorScheme of ['light', 'dark']) {
    test(colorScheme, () => inspect(stage, { viewport: phone, colorScheme }));
  }
});
