import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { createMountTarget } from './mount-target.ts';
import { isMountedBelow, type MountEntry, MountError, mountAll, unmountTree } from './mounts.ts';

let dir = '';
let root = '';
const options = () => ({ root, scratchDir: dir, timeoutMs: 10_000 });
const inRoot = (name: string) => join(root, name);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'bulkhead-mounts-'));
  root = join(dir, 'shared');
  mkdirSync(root);
});

afterEach(async () => {
  await unmountTree(dir);
  assert.equal(isMountedBelow(dir), false);
  rmSync(dir, { recursive: true });
});

function folder(name: string, files: Record<string, string> = {}): string {
  const path = join(dir, name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}

const bind = (source: string, target: string, ...more: string[]): MountEntry => ({
  type: 'bind',
  source,
  target,
  options: ['rbind', ...more],
});

test('overlay, binds of folder and file, and names with odd characters in one go', async () => {
  const odd = folder('odd name, "x" \\040 #', { f: 'odd' });
  const lower = folder('lower', { a: 'lower' });
  const [upper, work] = [folder('upper'), folder('work')];
  await mountAll(
    [
      {
        type: 'overlay',
        source: 'overlay',
        target: inRoot('c/rootfs'),
        options: [`lowerdir=${lower}:${folder('empty')}`, `upperdir=${upper}`, `workdir=${work}`],
      },
      bind(odd, inRoot('c/odd # name')),
      bind(join(lower, 'a'), inRoot('c/file'), 'ro'),
    ],
    { ...options(), share: true },
  );
  assert.equal(readFileSync(inRoot('c/rootfs/a'), 'utf8'), 'lower');
  writeFileSync(inRoot('c/rootfs/new'), 'x');
  assert.equal(readFileSync(join(upper, 'new'), 'utf8'), 'x');
  assert.equal(readFileSync(inRoot('c/odd # name/f'), 'utf8'), 'odd');
  assert.throws(() => writeFileSync(inRoot('c/file'), 'x'), { code: 'EROFS' });
  assert.equal(
    readdirSync(dir).some((n) => n.startsWith('mount-')),
    false,
  );
  await mountAll([bind(lower, inRoot('later'))], { ...options(), share: true });
  assert.equal(readFileSync(inRoot('later/a'), 'utf8'), 'lower');
});

test('a mount namespace that is a slave, made before, sees later mounts, and read-only as read-only', async () => {
  await mountAll([], { ...options(), share: true });
  const child = spawn(
    'unshare',
    ['--mount', '--propagation', 'slave', 'sh', '-c', 'echo ready; read line; cat'],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  try {
    await once(child.stdout, 'data');
    await mountAll(
      [bind(folder('src', { f: '1' }), inRoot('ro'), 'ro'), bind(join(dir, 'src'), inRoot('rw'))],
      options(),
    );
    const inside = (script: string) =>
      spawnSync('nsenter', [`--mount=/proc/${child.pid}/ns/mnt`, 'sh', '-c', script], { encoding: 'utf8' });
    assert.equal(inside(`cat ${root}/ro/f`).stdout, '1');
    assert.match(inside(`echo 2 >${root}/ro/f`).stderr, /[Rr]ead-only/);
    assert.equal(inside(`echo 2 >${root}/rw/f`).status, 0);
    await unmountTree(inRoot('ro'));
    assert.equal(inside(`ls ${root}/ro`).stdout, '');
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

test("undoing a bind does not undo the source's own mounts, not even one left half-made", async () => {
  const source = folder('source');
  execFileSync('mount', ['-t', 'tmpfs', 'x', source]);
  execFileSync('mount', ['--make-shared', source]);
  mkdirSync(join(source, 'sub'));
  execFileSync('mount', ['-t', 'tmpfs', 'x', join(source, 'sub')]);
  writeFileSync(join(source, 'sub/f'), 'here');
  await mountAll([bind(source, inRoot('a')), bind(source, inRoot('b'), 'ro')], { ...options(), share: true });
  assert.equal(readFileSync(inRoot('b/sub/f'), 'utf8'), 'here');
  // What a SIGKILL between bind and slave leaves:
  mkdirSync(inRoot('half'));
  execFileSync('mount', ['--rbind', source, inRoot('half')]);
  await unmountTree(root);
  assert.equal(isMountedBelow(root), false);
  assert.equal(readFileSync(join(source, 'sub/f'), 'utf8'), 'here');
});

test('what the host mounts at the source later arrives', async () => {
  const source = folder('source');
  execFileSync('mount', ['-t', 'tmpfs', 'x', source]);
  execFileSync('mount', ['--make-shared', source]);
  mkdirSync(join(source, 'sub'));
  await mountAll([bind(source, inRoot('a'), 'rslave')], { ...options(), share: true });
  execFileSync('mount', ['-t', 'tmpfs', 'x', join(source, 'sub')]);
  writeFileSync(join(source, 'sub/f'), 'late');
  assert.equal(readFileSync(inRoot('a/sub/f'), 'utf8'), 'late');
});

test('an overlay of 100 layers with long names', async () => {
  const layers = Array.from({ length: 100 }, (_, i) =>
    folder(`snapshots-of-a-long-name-${'x'.repeat(40)}/${i}/fs`),
  );
  writeFileSync(join(layers[99] ?? '', 'deep'), 'x');
  await mountAll(
    [{ type: 'overlay', source: 'overlay', target: inRoot('r'), options: [`lowerdir=${layers.join(':')}`] }],
    options(),
  );
  assert.equal(existsSync(inRoot('r/deep')), true);
});

test('errors name the mount and the reason, and leave no helper behind', async () => {
  const fails = async (entries: MountEntry[], pattern: RegExp) => {
    await assert.rejects(mountAll(entries, options()), (error: unknown) => {
      assert.ok(error instanceof MountError);
      assert.match(error.message, pattern);
      return true;
    });
  };
  const ext4 = { type: 'ext4', source: '/dev/nope', target: inRoot('x'), options: ['ro'] };
  await fails([bind('/nope', inRoot('x'))], /cannot mount bind \/nope on \S+\/x: the source does not exist/);
  await fails([ext4], /cannot mount ext4 \/dev\/nope on \S+\/x: special device \/dev\/nope does not exist/);
  await fails([bind(folder('s'), inRoot('y')), ext4], /cannot mount ext4/);
  await fails([{ ...ext4, type: 'nosuchfs', source: '/dev/null' }], /cannot mount nosuchfs/);
  await fails([bind('/tmp', join(dir, 'outside'))], /is outside of/);
  await unmountTree(dir);
  assert.deepEqual(readdirSync(dir).sort(), ['s', 'shared']);
});

test('unmounting: stacked, by many at once, twice, and without any mount', async () => {
  const tmpfs = (target: string) => ({ type: 'tmpfs', source: 'tmpfs', target, options: ['size=1m'] });
  await mountAll([tmpfs(inRoot('a'))], options());
  for (let i = 0; i < 3; i++) execFileSync('mount', ['-t', 'tmpfs', 'again', inRoot('a')]);
  mkdirSync(inRoot('a/b'));
  execFileSync('mount', ['-t', 'tmpfs', 'x', inRoot('a/b')]);
  assert.equal(isMountedBelow(root), true);
  await Promise.all([unmountTree(root), unmountTree(root), unmountTree(dir)]);
  assert.equal(isMountedBelow(root), false);
  await unmountTree(root);
  await unmountTree('/no/such/folder');
});

test('a mount target is made without following links', () => {
  createMountTarget(root, inRoot('a/b/c'), 'folder');
  createMountTarget(root, inRoot('a/b/c'), 'folder');
  createMountTarget(root, inRoot('a/f'), 'file');
  createMountTarget(root, inRoot('a/f'), 'file');
  assert.equal(readFileSync(inRoot('a/f'), 'utf8'), '');
  symlinkSync(dir, inRoot('link'));
  symlinkSync('/etc/passwd', inRoot('a/file-link'));
  assert.throws(() => createMountTarget(root, inRoot('link/x'), 'folder'), /in the way/);
  assert.throws(() => createMountTarget(root, inRoot('a/file-link'), 'file'), /in the way|symbolic/);
  assert.throws(() => createMountTarget(root, inRoot('a/f/x'), 'file'), /in the way/);
  assert.throws(() => createMountTarget(root, inRoot('a/b'), 'file'), /is a folder/);
  assert.throws(() => createMountTarget(root, `${root}/../x`, 'file'), /outside/);
  assert.throws(() => createMountTarget(root, `${root}x/y`, 'file'), /outside/);
  assert.equal(existsSync(join(dir, 'x')), false);
});
