/**
 * Enforces the import directions (docs/architecture.md), which keep each part readable on its own and the shim's server
 * lean. Type-only imports count too, because they are a dependency just the same. Exits 1 with a line per violation.
 */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');

/** What each part may import besides itself, Node's own modules and the packages in `packages`. */
const allowed: Record<string, readonly string[]> = {
  base: [],
  gen: ['ttrpc-ts'],
  oci: ['base', 'gen'],
  host: ['base'],
  config: ['base', 'host'],
  vm: ['base', 'host', 'config'],
  agent: ['base', 'ttrpc-ts', 'host', 'gen', 'oci'],
  network: ['base', 'ttrpc-ts', 'host', 'config', 'gen', 'agent', 'vm/hypervisor.ts'],
  sandbox: ['base', 'host', 'config', 'gen', 'oci', 'vm', 'agent', 'network'],
  shim: ['base', 'host', 'config', 'gen', 'oci', 'sandbox', 'ttrpc-ts'],
  cli: ['base', 'host', 'config', 'gen', 'oci', 'vm', 'agent', 'network', 'sandbox', 'shim/version.ts'],
};

/** Packages that a part may load; execa and grpc-js cost more than the whole shim, so the shim must not load them. */
const packages: Record<string, readonly string[]> = {
  config: ['smol-toml'],
  shim: ['pino'],
  cli: ['execa', '@grpc/grpc-js', 'pino'],
};

const importPattern = /(?:from|import)\s*\(?\s*'([^']+)'/g;
const violations: string[] = [];

for (const file of globSync('src/**/*.ts', { cwd: root })) {
  // Only tests load these.
  if (file.endsWith('.test.ts') || file.includes('/testing/')) continue;
  const part = file.split('/')[1]!;
  for (const [, specifier] of readFileSync(join(root, file), 'utf8').matchAll(importPattern)) {
    const problem = judge(part, file, specifier!);
    if (problem !== undefined) violations.push(`${file}: imports ${specifier}: ${problem}`);
  }
}
for (const file of globSync('packages/ttrpc-ts/src/**/*.ts', { cwd: root })) {
  if (file.endsWith('.test.ts')) continue;
  for (const [, specifier] of readFileSync(join(root, file), 'utf8').matchAll(importPattern)) {
    if (!specifier!.startsWith('node:') && !specifier!.startsWith('./')) {
      violations.push(`${file}: imports ${specifier}: ttrpc-ts depends on nothing`);
    }
  }
}

function judge(part: string, file: string, specifier: string): string | undefined {
  const may = allowed[part];
  if (may === undefined) return `src/${part} has no rule in scripts/check-imports.ts`;
  if (specifier.startsWith('node:')) return undefined;
  if (!specifier.startsWith('.')) {
    if (may.includes(specifier) || packages[part]?.includes(specifier)) return undefined;
    return `src/${part} may not load this package`;
  }
  const target = relative('src', join(dirname(file), specifier));
  if (target.includes('/testing/')) return 'that is only for tests';
  const targetPart = target.split('/')[0]!;
  if (targetPart === part || may.includes(targetPart) || may.includes(target)) return undefined;
  return `src/${part} may import only ${may.join(', ') || 'node modules'}`;
}

for (const violation of violations) console.error(violation);
if (violations.length > 0) process.exit(1);
