// install.sh with a fake build/: what it installs where, with which mode, and that uninstall leaves nothing.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';

const repo = join(import.meta.dirname, '..');
let dir = '';
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'install-test-'));
  mkdirSync(join(dir, 'clone/scripts'), { recursive: true });
  cpSync(join(repo, 'scripts/install.sh'), join(dir, 'clone/scripts/install.sh'));
  cpSync(join(repo, 'deploy'), join(dir, 'clone/deploy'), { recursive: true });
});
after(() => rmSync(dir, { recursive: true, force: true }));

const programs = ['bin/bulkhead', 'bin/containerd-shim-bulkhead-v2', 'lib/bulkhead/node'];
const data = ['cli.cjs', 'server.cjs', 'shim.cjs'].map((name) => `lib/bulkhead/${name}`);
const guest = ['share/bulkhead/image', 'share/bulkhead/vmlinux'];

function install(action: string, prefix = '/usr'): ReturnType<typeof spawnSync> {
  const env = { PATH: process.env.PATH, PREFIX: prefix, DESTDIR: join(dir, 'dest') };
  return spawnSync(join(dir, 'clone/scripts/install.sh'), [action], {
    env,
    encoding: 'utf8',
    timeout: 30_000,
  });
}

const installed = (): string[] =>
  globSync('**', { cwd: join(dir, 'dest'), withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(dir.length + '/dest'.length))
    .sort();

test('without a build nothing is installed', () => {
  const result = install('install');
  assert.equal(result.status, 1);
  assert.match(
    String(result.stderr),
    /build\/bin\/containerd-shim-bulkhead-v2 is missing: run make build guest first/,
  );
  assert.deepEqual(installed(), []);
});

test('install, install again, uninstall', () => {
  for (const file of [...programs, ...data, ...guest]) {
    const path = join(dir, 'clone/build', file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, file);
    chmodSync(path, programs.includes(file) ? 0o755 : 0o644);
  }
  for (let round = 0; round < 2; round++) {
    const result = install('install');
    assert.equal(result.status, 0, String(result.stderr));
  }
  const deploy = globSync('*', { cwd: join(repo, 'deploy') });
  const extra = deploy.map((name) => (name === 'config.toml' ? name : `deploy/${name}`));
  const expected = [...programs, ...data, ...guest, ...extra.map((name) => `share/bulkhead/${name}`)];
  assert.deepEqual(installed(), expected.map((file) => `/usr/${file}`).sort());
  for (const file of installed()) {
    const isProgram = programs.includes(file.slice('/usr/'.length));
    assert.equal(statSync(join(dir, 'dest', file)).mode & 0o777, isProgram ? 0o755 : 0o644, file);
  }
  for (let round = 0; round < 2; round++) assert.equal(install('uninstall').status, 0);
  assert.deepEqual(globSync('**', { cwd: join(dir, 'dest') }), []);
});

test('a relative PREFIX and an unknown action are refused', () => {
  assert.match(String(install('install', 'usr').stderr), /PREFIX must be an absolute path/);
  assert.match(String(install('remove').stderr), /usage/);
});
