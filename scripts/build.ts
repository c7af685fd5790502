/**
 * Builds what runs on the host: three CommonJS bundles, the private Node next to them, and the two commands, which find
 * both relative to themselves, so that the tree runs in place and wherever it is installed.
 */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { arch } from 'node:process';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const bin = join(root, 'build/bin');
const lib = join(root, 'build/lib/bulkhead');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };

/**
 * The commands. They start no other program before Node (each would cost a millisecond per container), and nothing in
 * the caller's environment may change how our Node runs.
 */
const launcher = (bundle: string, flags: string) => `#!/bin/sh
self=$0
[ -L "$self" ] && self=$(readlink -f "$self")
lib=\${self%/*}/../lib/bulkhead
unset NODE_OPTIONS NODE_PATH NODE_EXTRA_CA_CERTS NODE_DEBUG NODE_DEBUG_NATIVE NODE_COMPILE_CACHE NODE_V8_COVERAGE \\
  NODE_REPL_EXTERNAL_MODULE NODE_ICU_DATA NODE_NO_WARNINGS NODE_PENDING_DEPRECATION NODE_REDIRECT_WARNINGS
exec "$lib/node" ${flags}"$lib/${bundle}" "$@"
`;

mkdirSync(bin, { recursive: true });
mkdirSync(lib, { recursive: true });

await build({
  absWorkingDir: root,
  entryPoints: { shim: 'src/shim/main.ts', server: 'src/shim/server.ts', cli: 'src/cli/main.ts' },
  outdir: lib,
  outExtension: { '.js': '.cjs' },
  bundle: true,
  platform: 'node',
  format: 'cjs',
  target: 'node24',
  define: { BULKHEAD_VERSION: JSON.stringify(version) },
  // pino looks for optional pretty printers and workers that we never use.
  external: ['pino-pretty'],
  logLevel: 'warning',
});

writeExecutable('containerd-shim-bulkhead-v2', launcher('shim.cjs', ''));
writeExecutable('bulkhead', launcher('cli.cjs', ''));
placeNode(join(root, `node_modules/node-linux-${arch}/bin/node`), join(lib, 'node'));

function writeExecutable(name: string, text: string): void {
  const path = join(bin, name);
  writeFileSync(path, text);
  chmodSync(path, 0o755);
}

function placeNode(from: string, to: string): void {
  if (existsSync(to) && statSync(to).size === statSync(from).size) return;
  rmSync(to, { force: true });
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
