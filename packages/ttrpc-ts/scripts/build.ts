// Builds the package as published into dist/: CommonJS with its types, and an entry point for `import`.
//
// There is one copy of the code: the ES module only re-exports the CommonJS one. With two
// copies, `instanceof TtrpcError` would fail between a program that imports and a library that requires.

import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');

rmSync(dist, { recursive: true, force: true });
mkdirSync(dist);
const require = createRequire(import.meta.url);
const tsc = join(require.resolve('typescript/package.json'), '../bin/tsc');
execFileSync(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')], { stdio: 'inherit' });

const source = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const { name, version, description, keywords, license, engines } = source;
const published = {
  name,
  version,
  description,
  keywords,
  license,
  type: 'commonjs',
  main: './cjs/index.js',
  types: './cjs/index.d.ts',
  exports: {
    '.': {
      import: { types: './index.d.mts', default: './index.mjs' },
      require: { types: './cjs/index.d.ts', default: './cjs/index.js' },
    },
    './package.json': './package.json',
  },
  sideEffects: false,
  engines,
  peerDependencies: { '@types/node': '>=22' },
  peerDependenciesMeta: { '@types/node': { optional: true } },
};
writeFileSync(join(dist, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);

// After package.json, which says how Node reads the files next to it.
const names = Object.keys(require(join(dist, 'cjs/index.js')) as object).sort();
const list = names.map((name) => `  ${name},\n`).join('');
writeFileSync(join(dist, 'index.mjs'), `export {\n${list}} from './cjs/index.js';\n`);
writeFileSync(join(dist, 'index.d.mts'), "export * from './cjs/index.js';\n");

for (const file of ['README.md', 'CHANGELOG.md', 'LICENSE']) copyFileSync(join(root, file), join(dist, file));
tidyDeclarations(join(dist, 'cjs'));

/**
 * Makes the declarations refer to files that exist (the compiler leaves `.ts` in them) and removes those that the
 * public API does not reach.
 */
function tidyDeclarations(folder: string): void {
  const wanted = new Set<string>();
  const visit = (file: string): void => {
    if (wanted.has(file)) return;
    wanted.add(file);
    const path = join(folder, file);
    const text = readFileSync(path, 'utf8').replaceAll(/(from '\.\/[\w-]+)\.ts'/g, "$1.js'");
    writeFileSync(path, text);
    for (const [, module] of text.matchAll(/from '\.\/([\w-]+)\.js'/g)) visit(`${module}.d.ts`);
  };
  visit('index.d.ts');
  for (const file of readdirSync(folder)) {
    if (file.endsWith('.d.ts') && !wanted.has(file)) rmSync(join(folder, file));
  }
}
