// axe-core finds nothing to complain of, on any hosted page, light or dark, phone or desktop.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { Stage, desktop, phone } from './support.mjs';

const axe = await readFile(fileURLToPath(new URL('axe.min.js', import.meta.resolve('axe-core'))), 'utf8');

let stage;
before(async () => {
  stage = await Stage.set();
});
after(() => stage?.strike());

const summary = ({ id, help, nodes }) => `${id}: ${help}\n${nodes.map((node) => `    ${node.html.slice(0, 200)} ${node.any.map((check) => check.message)}`).join('\n')}`;

for (const [device, viewport] of Object.entries({ phone, desktop })) {
  for (const colorScheme of ['light', 'dark']) {
    test(`${device}, ${colorScheme}`, async () => {
      // The pages' policy lets no foreign script in, axe included; only here it is set aside.
      const { context, page } = await stage.open({ viewport, colorScheme, bypassCSP: true });
      await stage.tour(page, async (name) => {
        await page.addScriptTag({ content: axe });
        const report = await page.evaluate(() => window.axe.run());
        assert.deepEqual(report.violations.map(summary), [], name);
        const contrast = (list) => list.some(({ id }) => id === 'color-contrast');
        assert.ok(contrast(report.passes) && !contrast(report.incomplete), `${name}: the contrast of all text was measured`);
      });
      await context.close();
    });
  }
}
