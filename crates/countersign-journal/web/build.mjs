// Makes dist/: index.html and assets/, as the journal serves them. With --for-tests it makes build/ instead: the modules
// that need no page, for test/.

import { cp, mkdir, rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { build } from 'esbuild';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const testable = ['drafts', 'entry', 'errors', 'passphrase', 'recovery_key', 'search', 'signing', 'sync', 'vault'];
const shared = { bundle: true, format: 'esm', target: 'es2022', legalComments: 'none', logLevel: 'warning' };

if (process.argv.includes('--for-tests')) {
  await rm(here('build'), { recursive: true, force: true });
  // Split, so that classes are the same ones whichever module hands them out.
  const entryPoints = testable.map((name) => here(`src/${name}.ts`));
  await build({ ...shared, entryPoints, outdir: here('build'), splitting: true, sourcemap: 'inline' });
} else {
  await rm(here('dist'), { recursive: true, force: true });
  await mkdir(here('dist/assets'), { recursive: true });
  await build({ ...shared, entryPoints: [here('src/app.ts')], outfile: here('dist/assets/app.js'), minify: true });
  await cp(here('index.html'), here('dist/index.html'));
  for (const name of ['style.css', 'icon.svg']) await cp(here(name), here(`dist/assets/${name}`));
}
