// What importing the package costs: start-up and memory of a shim are paid per pod.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';

const index = join(import.meta.dirname, '../src/index.ts');

test('importing loads node:net and what that needs, nothing else', () => {
  const program = `
    require('node:net');
    const before = new Set(process.moduleLoadList);
    import(${JSON.stringify(index)}).then(() => {
      const added = process.moduleLoadList.filter((name) => !before.has(name));
      console.log(JSON.stringify(added));
    });`;
  const added: string[] = JSON.parse(execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' }));
  // The loaders for ES modules and types are due to how it is imported here.
  const own = added.filter(
    (name) => !/modules\/|amaro|typescript|url|vm|source_map|fs\/|blob|worker/.test(name),
  );
  assert.deepEqual(
    own.filter((name) => /NativeModule (?!internal)/.test(name)),
    [],
  );
});
