// install.sh with a fake build/: what it installs where, with which mode; upgrades are atomic, uninstall is complete.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';

const repo = join(import.meta.dirname, '..');
let dir = '';
before(() => {
  dir = mkdtempSync(join(tmpdir(), 'install-test-'));
  mkdirSync(join(dir, 'clone/scripts'), { recursive: true });
  cpSync(join(repo, 'scripts/install.sh'), join(dir, 'clone/scripts/install.sh'));
  cpSync(join(repo, 'deploy'), join(dir, 'clone/deploy'), { recursive: true });
  writeFileSync(join(dir, 'clone/package.json'), '{\n  "version": "1.2.3"\n}\n');
});
beforeEach(() => {
  for (const name of ['dest', 'real']) rmSync(join(dir, name), { recursive: true, force: true });
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

/** A fake build's output; its files contain the version. */
function build(version = ''): void {
  for (const file of [...programs, ...data, ...guest]) {
    const path = join(dir, 'clone/build', file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${file} ${version}\n`);
    chmodSync(path, programs.includes(file) ? 0o755 : 0o644);
  }
}

test('install, install again, uninstall', () => {
  build();
  for (let round = 0; round < 2; round++) {
    const result = install('install');
    assert.equal(result.status, 0, String(result.stderr));
  }
  const deploy = globSync('*', { cwd: join(repo, 'deploy') });
  const extra = deploy.map((name) => (name === 'config.toml' ? name : `deploy/${name}`));
  const tree = [...programs, ...data, ...guest, ...extra.map((name) => `share/bulkhead/${name}`)];
  const version = readlinkSync(join(dir, 'dest/usr/lib/bulkhead/current'));
  assert.match(version, /^1\.2\.3-[0-9a-f]{12}$/);
  const units = ['service', 'timer'].map((kind) => `/usr/lib/systemd/system/bulkhead-gc.${kind}`);
  assert.deepEqual(
    installed(),
    [...tree.map((file) => `/usr/lib/bulkhead/${version}/${file}`), ...units].sort(),
  );
  for (const file of installed()) {
    const isProgram = programs.some((name) => file.endsWith(`${version}/${name}`));
    assert.equal(statSync(join(dir, 'dest', file)).mode & 0o777, isProgram ? 0o755 : 0o644, file);
  }
  for (const name of ['bin/bulkhead', 'bin/containerd-shim-bulkhead-v2', 'share/bulkhead']) {
    const path = join(dir, 'dest/usr', name);
    assert.ok(lstatSync(path).isSymbolicLink());
    assert.equal(realpathSync(path), realpathSync(join(dir, 'dest/usr/lib/bulkhead', version, name)));
  }
  assert.match(readFileSync(join(dir, 'dest', units[0]!), 'utf8'), /^ExecStart=\/usr\/bin\/bulkhead gc$/m);
  for (let round = 0; round < 2; round++) assert.equal(install('uninstall').status, 0);
  assert.deepEqual(globSync('**', { cwd: join(dir, 'dest') }), []);
});

/** Without DESTDIR, so that running processes are checked. */
function installReal(version: string): string {
  build(version);
  // A real program, whose path says which version it belongs to.
  copyFileSync('/bin/sleep', join(dir, 'clone/build/lib/bulkhead/node'));
  const env = { PATH: process.env.PATH, PREFIX: join(dir, 'real') };
  const result = spawnSync(join(dir, 'clone/scripts/install.sh'), ['install'], {
    env,
    encoding: 'utf8',
    timeout: 30_000,
  });
  assert.equal(result.status, 0, result.stderr);
  return readlinkSync(join(dir, 'real/lib/bulkhead/current'));
}

const versions = (): string[] =>
  globSync('*', { cwd: join(dir, 'real/lib/bulkhead') })
    .filter((name) => name !== 'current')
    .sort();

test('a version stays while a process runs from it, and the previous one in any case', async () => {
  const one = installReal('one');
  const shim: ChildProcess = spawn(join(dir, 'real/lib/bulkhead/current/lib/bulkhead/node'), ['1000'], {
    stdio: 'ignore',
  });
  await once(shim, 'spawn');
  const [two, three] = [installReal('two'), installReal('three')];
  assert.deepEqual(versions(), [one, two, three].sort());
  const four = installReal('four');
  assert.deepEqual(versions(), [one, three, four].sort(), 'two is used by nobody');
  const exited = once(shim, 'exit');
  shim.kill('SIGKILL');
  await exited;
  assert.equal(installReal('three'), three, 'back to one that is there');
  assert.deepEqual(versions(), [three, four].sort());
});

test('whoever starts in the middle of an upgrade gets one version, not a mix', async () => {
  const [launcher] =
    /^#!\/bin\/sh\nself=[\s\S]*?lib=.*$/m.exec(readFileSync(join(repo, 'build/bin/bulkhead'), 'utf8')) ?? [];
  assert.ok(launcher, 'the launcher finds its folder first');
  const installs = (version: string): Promise<unknown> => {
    build(version);
    writeFileSync(
      join(dir, 'clone/build/bin/bulkhead'),
      `${launcher}\ncat "$lib/server.cjs"; sleep 0.01; cat "$lib/cli.cjs"\n`,
    );
    const env = { PATH: process.env.PATH, PREFIX: '/usr', DESTDIR: join(dir, 'dest') };
    return once(spawn(join(dir, 'clone/scripts/install.sh'), ['install'], { env, stdio: 'ignore' }), 'exit');
  };
  await installs('v0');
  const seen = new Set<string>();
  let isOver = false;
  const read = async (): Promise<void> => {
    while (!isOver) {
      const child = spawn(join(dir, 'dest/usr/bin/bulkhead'), { stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      await once(child, 'close');
      seen.add(text.match(/v\d/g)?.join() ?? text);
    }
  };
  const reading = read();
  for (let round = 1; round <= 6; round++) await installs(`v${round % 2}`);
  isOver = true;
  await reading;
  for (const pair of seen) assert.match(pair, /^(v\d),\1$/);
  assert.ok(seen.size >= 2, 'it was upgraded meanwhile');
});

const analyze = existsSync('/usr/bin/systemd-analyze');
test('the systemd units are valid as installed', {
  skip: !analyze && 'NOT CHECKED: systemd-analyze (Debian package systemd) is not here',
}, () => {
  installReal('units');
  const units = ['service', 'timer'].map((kind) => join(dir, `real/lib/systemd/system/bulkhead-gc.${kind}`));
  const result = spawnSync('systemd-analyze', ['verify', ...units], { encoding: 'utf8', timeout: 30_000 });
  assert.equal(result.status, 0, result.stderr);
  assert.ok(!result.stderr.includes('bulkhead-gc'), result.stderr);
});

test('an installation with the previous layout is refused and left untouched', () => {
  build();
  mkdirSync(join(dir, 'dest/usr/share/bulkhead'), { recursive: true });
  const result = install('install');
  assert.equal(result.status, 1);
  assert.match(String(result.stderr), /make uninstall first/);
  assert.deepEqual(installed(), []);
});

test('a relative PREFIX and an unknown action are refused', () => {
  assert.match(String(install('install', 'usr').stderr), /PREFIX must be an absolute path/);
  assert.match(String(install('remove').stderr), /usage/);
});
