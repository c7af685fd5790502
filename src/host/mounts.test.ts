import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { mountHelper } from '../config/locate.ts';
import { isWithin, readMountinfo } from './mountinfo.ts';
import {
  clearFolder,
  type MountEntry,
  MountError,
  mountAll,
  removeTargets,
  shareFolder,
  unmountAll,
} from './mounts.ts';

const options = { helper: mountHelper(), timeoutMs: 10_000 };
let dir = '';
let root = '';
const inRoot = (name: string) => join(root, name);
const mountsBelow = (path: string) =>
  readMountinfo().flatMap(({ mountPoint }) => (isWithin(path, mountPoint) ? [mountPoint] : []));

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'bulkhead-mounts-'));
  root = join(dir, 'mounts');
  mkdirSync(root);
  await shareFolder(root, options);
});

afterEach(async () => {
  await unmountAll(root, options);
  for (const point of mountsBelow(dir).reverse()) spawnSync('umount', ['-l', point]);
  assert.deepEqual(mountsBelow(dir), []);
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
const tmpfs = (target: string) => ({ type: 'tmpfs', source: 'tmpfs', target, options: ['size=1m'] });

test('overlay, binds of folder and file, and names with odd characters in one go', async () => {
  const odd = folder('odd name, "x" \\040 #', { f: 'odd' });
  const lower = folder('lower', { a: 'lower' });
  const [upper, work] = [folder('upper'), folder('work')];
  await mountAll(
    root,
    [
      {
        type: 'overlay',
        source: 'overlay',
        target: inRoot('c/rootfs'),
        options: [`lowerdir=${lower}:${folder('empty')}`, `upperdir=${upper}`, `workdir=${work}`],
      },
      bind(odd, inRoot('c/odd # name')),
      bind(join(lower, 'a'), inRoot('c/file'), 'ro'),
      bind(odd, inRoot('c/rootfs/made/inside')),
    ],
    options,
  );
  assert.equal(readFileSync(inRoot('c/rootfs/a'), 'utf8'), 'lower');
  writeFileSync(inRoot('c/rootfs/new'), 'x');
  assert.equal(readFileSync(join(upper, 'new'), 'utf8'), 'x');
  assert.equal(readFileSync(inRoot('c/odd # name/f'), 'utf8'), 'odd');
  assert.equal(readFileSync(inRoot('c/rootfs/made/inside/f'), 'utf8'), 'odd');
  assert.throws(() => writeFileSync(inRoot('c/file'), 'x'), { code: 'EROFS' });
  for (const mount of readMountinfo().filter(({ mountPoint }) => isWithin(root, mountPoint))) {
    for (const flag of ['nosuid', 'nodev', 'noexec'])
      assert.ok(mount.options.includes(flag), mount.mountPoint);
  }
});

test('a mount namespace that is a slave, made before, sees later mounts, and read-only as read-only', async () => {
  const child = spawn(
    'unshare',
    ['--mount', '--propagation', 'slave', 'sh', '-c', 'echo ready; read line; cat'],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  try {
    await once(child.stdout, 'data');
    const mounts = [
      bind(folder('src', { f: '1' }), inRoot('ro'), 'ro'),
      bind(join(dir, 'src'), inRoot('rw')),
    ];
    await mountAll(root, mounts, options);
    const inside = (script: string) =>
      spawnSync('nsenter', [`--mount=/proc/${child.pid}/ns/mnt`, 'sh', '-c', script], { encoding: 'utf8' });
    assert.equal(inside(`cat ${root}/ro/f`).stdout, '1');
    assert.match(inside(`echo 2 >${root}/ro/f`).stderr, /[Rr]ead-only/);
    assert.equal(inside(`echo 2 >${root}/rw/f`).status, 0);
    await removeTargets(root, [inRoot('ro')], options);
    assert.equal(inside(`ls ${root}`).stdout, 'rw\n');
    await unmountAll(root, options);
    const left = () => inside(`grep -c ${dir} /proc/self/mountinfo`).stdout;
    assert.equal(left(), '1\n', 'only the copy of the folder itself, if what it lies on propagates nothing');
    await removeTargets(root, [inRoot('rw')], options);
    rmdirSync(root);
    assert.equal(left(), '0\n', 'which goes with the folder');
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

/** A tmpfs with another below it, shared as systemd has it. */
function sourceWithSub(): string {
  const source = folder('source');
  execFileSync('mount', ['-t', 'tmpfs', 'x', source]);
  execFileSync('mount', ['--make-shared', source]);
  mkdirSync(join(source, 'sub'));
  return source;
}

test("undoing a bind does not undo the source's own mounts", async () => {
  const source = sourceWithSub();
  execFileSync('mount', ['-t', 'tmpfs', 'x', join(source, 'sub')]);
  writeFileSync(join(source, 'sub/f'), 'here');
  await mountAll(root, [bind(source, inRoot('a')), bind(source, inRoot('b'), 'ro')], options);
  assert.equal(readFileSync(inRoot('b/sub/f'), 'utf8'), 'here');
  await removeTargets(root, [inRoot('a')], options);
  await unmountAll(root, options);
  assert.deepEqual(mountsBelow(root), []);
  assert.equal(readFileSync(join(source, 'sub/f'), 'utf8'), 'here');
});

test('what the host mounts at the source later arrives', async () => {
  const source = sourceWithSub();
  await mountAll(root, [bind(source, inRoot('a'), 'rslave')], options);
  execFileSync('mount', ['-t', 'tmpfs', 'x', join(source, 'sub')]);
  writeFileSync(join(source, 'sub/f'), 'late');
  assert.equal(readFileSync(inRoot('a/sub/f'), 'utf8'), 'late');
});

test('read-only at the top, or with all that is mounted below', async () => {
  const source = sourceWithSub();
  execFileSync('mount', ['-t', 'tmpfs', 'x', join(source, 'sub')]);
  await mountAll(
    root,
    [bind(source, inRoot('top'), 'ro'), bind(source, inRoot('all'), 'ro', 'rro')],
    options,
  );
  writeFileSync(inRoot('top/sub/f'), 'x');
  for (const path of ['top/f', 'all/f', 'all/sub/f', 'all/sub/new']) {
    assert.throws(() => writeFileSync(inRoot(path), 'y'), { code: 'EROFS' }, path);
  }
  assert.equal(readFileSync(join(source, 'sub/f'), 'utf8'), 'x');
});

test('mapped owners: of a bind, and of the lower folders of an overlay, put together out of sight', async () => {
  const lower = folder('lower', { a: '' });
  chownSync(join(lower, 'a'), 3, 4);
  const ids = ['uidmap=0:1000:10', 'gidmap=0:2000:10'];
  const layers = [`lowerdir=${lower}`, `upperdir=${folder('up')}`, `workdir=${folder('work')}`];
  const overlay = { type: 'overlay', source: 'overlay', target: inRoot('o'), options: [...ids, ...layers] };
  const outside = mountsBelow('/').length;
  await mountAll(root, [bind(lower, inRoot('b'), ...ids), overlay], options);
  for (const name of ['b', 'o']) {
    const { uid, gid } = statSync(inRoot(`${name}/a`));
    assert.deepEqual([uid, gid], [1003, 2004], name);
  }
  assert.equal(mountsBelow('/').length, outside + 2);
});

test('an overlay of 100 layers with long names, plain and mapped', async () => {
  const layers = Array.from({ length: 100 }, (_, i) =>
    folder(`snapshots-of-a-long-name-${'x'.repeat(40)}/${i}/fs`),
  );
  writeFileSync(join(layers[99] ?? '', 'deep'), 'x');
  const overlay = (target: string, ...more: string[]) => ({
    ...{ type: 'overlay', source: 'overlay', target: inRoot(target) },
    options: [`lowerdir=${layers.join(':')}`, ...more],
  });
  await mountAll(root, [overlay('r'), overlay('m', 'uidmap=0:5:9')], options);
  assert.equal(existsSync(inRoot('r/deep')), true);
  assert.equal(statSync(inRoot('m/deep')).uid, 5);
});

test('a file system in a file gets a block device for as long as it is mounted', async () => {
  const image = join(dir, 'image');
  execFileSync('truncate', ['-s', '4M', image]);
  execFileSync('mkfs.ext4', ['-q', image]);
  const devices = () => execFileSync('losetup', ['-j', image], { encoding: 'utf8' });
  const ext4 = (target: string) => ({ type: 'ext4', source: image, target: inRoot(target), options: ['ro'] });
  await mountAll(root, [ext4('plain')], options);
  assert.deepEqual(readdirSync(inRoot('plain')), ['lost+found']);
  assert.match(devices(), /^\/dev\/loop\d+/);
  await removeTargets(root, [inRoot('plain')], options);
  const end = performance.now() + 5_000;
  while (devices() !== '' && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(devices(), '');
});

test('errors name the mount and the reason, and undo nothing that was made before', async () => {
  const fails = async (entries: MountEntry[], pattern: RegExp) => {
    await assert.rejects(mountAll(root, entries, options), (error: unknown) => {
      assert.ok(error instanceof MountError);
      assert.match(error.message, pattern);
      return true;
    });
  };
  const ext4 = { type: 'ext4', source: '/dev/nope', target: inRoot('x'), options: ['ro'] };
  await fails([bind('/nope', inRoot('x'))], /cannot mount bind \/nope on \S+\/x: the source does not exist/);
  await fails([ext4], /cannot mount ext4 \/dev\/nope on \S+\/x: special device \/dev\/nope does not exist/);
  await fails([bind(folder('s'), inRoot('y')), ext4], /cannot mount ext4/);
  await fails(
    [{ ...ext4, type: 'nosuchfs', source: '/dev/null' }],
    /cannot mount nosuchfs.*unknown filesystem type/,
  );
  await fails([bind('/tmp', join(dir, 'outside'))], /is outside of/);
  await removeTargets(root, [inRoot('x'), inRoot('y')], options);
  const other = { helper: '/no/such/helper' };
  await assert.rejects(
    mountAll(root, [bind('/tmp', inRoot('x'))], other),
    /cannot mount: cannot run \/no\/such/,
  );
  assert.deepEqual(readdirSync(dir).sort(), ['mounts', 's']);
  assert.deepEqual(readdirSync(root), []);
});

test('a mount target is made without following links', async () => {
  const source = folder('source');
  writeFileSync(join(dir, 'file'), 'x');
  const mount = (target: string, from = source) => mountAll(root, [bind(from, inRoot(target))], options);
  folder('mounts/a');
  symlinkSync(dir, inRoot('link'));
  symlinkSync('/etc/hostname', inRoot('a/file-link'));
  writeFileSync(inRoot('a/f'), '');
  await assert.rejects(mount('link/x'), /in the way/);
  await assert.rejects(mount('link'), /in the way/);
  await assert.rejects(mount('a/file-link', join(dir, 'file')), /a\/file-link: file-link is a symbolic link/);
  await assert.rejects(mount('a/f/x'), /in the way/);
  await assert.rejects(mount('a', join(dir, 'file')), /is a folder/);
  assert.deepEqual(mountsBelow(dir), [root]);
  assert.equal(existsSync(join(dir, 'x')), false);
});

test('unmounting and removing: stacked, by many at once, twice, and without any mount', async () => {
  await mountAll(root, [tmpfs(inRoot('a/t')), bind(folder('s'), inRoot('a/u'))], options);
  for (let i = 0; i < 3; i++) execFileSync('mount', ['-t', 'tmpfs', 'again', inRoot('a/t')]);
  mkdirSync(inRoot('a/t/b'));
  execFileSync('mount', ['-t', 'tmpfs', 'x', inRoot('a/t/b')]);
  const remove = () => removeTargets(root, [inRoot('a/t'), inRoot('a/u'), inRoot('a')], options);
  await Promise.all([remove(), remove(), remove()]);
  await remove();
  assert.deepEqual(mountsBelow(root), [root]);
  assert.deepEqual(readdirSync(root), []);
  execFileSync('mount', ['-t', 'tmpfs', 'x', root]);
  await Promise.all([unmountAll(root, options), unmountAll(root, options)]);
  await unmountAll('/no/such/folder', options);
  await removeTargets('/no/such/folder', ['/no/such/folder/x'], options);
});

test('only what is empty is removed, and nothing is followed', async () => {
  const precious = folder('precious', { f: 'kept' });
  folder('mounts/full', { f: 'x' });
  writeFileSync(inRoot('text'), 'x');
  symlinkSync(precious, inRoot('link'));
  symlinkSync(dir, inRoot('up'));
  await assert.rejects(
    removeTargets(root, [inRoot('full')], options),
    /cannot remove \S+\/full: .*not empty/,
  );
  await assert.rejects(removeTargets(root, [inRoot('text')], options), /text: it is not a mount target/);
  await assert.rejects(removeTargets(root, [inRoot('link')], options), /link: it is not a mount target/);
  await assert.rejects(
    removeTargets(root, [inRoot('up/precious')], options),
    /cannot remove \S+\/up\/precious/,
  );
  await assert.rejects(clearFolder(dir, options), /cannot remove/);
  assert.equal(readFileSync(join(precious, 'f'), 'utf8'), 'kept');
});

test("a sandbox's folder is cleared, of this release or the first, and whatever is not ours stays", async () => {
  const sandbox = folder('sandbox', { 'state.json': '{}', 'fs.sock': '' });
  const [mounts, old] = [folder('sandbox/mounts'), folder('sandbox/shared')];
  const source = folder('kept', { f: 'kept' });
  await shareFolder(mounts, options);
  await shareFolder(old, options);
  for (const place of [mounts, old]) {
    const targets = [join(place, 'c/rootfs'), join(place, 'volumes/1')];
    await mountAll(place, [tmpfs(targets[0]!), bind(source, targets[1]!)], options);
    await mountAll(place, [bind(join(source, 'f'), join(place, 'volumes/2'))], options);
  }
  // What a kill in the middle of a mount left of the first release.
  folder('sandbox/mount-x1', { 'fstab-0': 'a b c d 0 0', 'stage-1': '' });
  folder('sandbox/mount-x1/stage-0');
  const host = sourceWithSub();
  execFileSync('mount', ['-t', 'tmpfs', 'x', join(host, 'sub')]);
  execFileSync('mount', ['--rbind', host, join(sandbox, 'mount-x1/stage-0')]);
  const alien = folder('sandbox/mounts/c/rootfs/deep');
  writeFileSync(join(alien, 'f'), 'in the tmpfs');
  await Promise.all([clearFolder(sandbox, options), clearFolder(sandbox, options)]);
  await clearFolder(sandbox, options);
  assert.equal(existsSync(sandbox), false);
  assert.equal(readFileSync(join(source, 'f'), 'utf8'), 'kept');
  assert.deepEqual(
    mountsBelow(host),
    [host, join(host, 'sub')],
    'a peer that is unmounted takes nothing along',
  );

  folder('sandbox/shared/volumes/1/deeper', { f: 'planted' });
  writeFileSync(join(sandbox, 'state.json'), '{}');
  await assert.rejects(clearFolder(sandbox, options), /shared\/volumes\/1: it is not empty/);
  assert.equal(existsSync(join(sandbox, 'state.json')), true, 'the record goes last');
  rmSync(join(sandbox, 'shared'), { recursive: true });
  symlinkSync(source, join(sandbox, 'shared'));
  await clearFolder(sandbox, options);
  assert.equal(readFileSync(join(source, 'f'), 'utf8'), 'kept');
});

test('removal takes no longer for what is in a volume, and gives up on a folder of junk', {
  timeout: 120_000,
}, async () => {
  const volume = folder('volume');
  execFileSync('mount', ['-t', 'tmpfs', 'x', volume]);
  const script = 'for (my $i = 0; $i < $ARGV[1]; $i++) { open(my $f, ">", "$ARGV[0]/junk-$i") or die $!; }';
  execFileSync('perl', ['-e', script, volume, '200000']);
  const deep = 'chdir $ARGV[0] or die; for (1 .. 25000) { mkdir "d" or die $!; chdir "d" or die $!; }';
  execFileSync('perl', ['-e', deep, volume]);
  await mountAll(root, [bind(volume, inRoot('v'))], options);
  const begin = performance.now();
  await removeTargets(root, [inRoot('v')], options);
  const took = performance.now() - begin;
  assert.ok(took < 2_000, `removing a full volume took ${took} ms`);
  const old = folder('sandbox/shared');
  execFileSync('perl', ['-e', script, old, '25000']);
  await assert.rejects(
    clearFolder(join(dir, 'sandbox'), options),
    /cannot list \S+\/shared: there are more than 20000/,
  );
  assert.equal(readdirSync(old).length, 25_000);
});

test('a root that is unmounted admits no mount any more', async () => {
  await unmountAll(root, options);
  await assert.rejects(mountAll(root, [tmpfs(inRoot('a'))], options), /no longer, a mount of its own/);
  assert.deepEqual(readdirSync(root), []);
});

test('a helper that is aborted or killed leaves no mount but whole ones, and goes with its parent', async () => {
  const source = folder('source', { f: 'kept' });
  const ids = ['uidmap=0:5:9', 'gidmap=0:5:9'];
  const all = (round: number) => [
    ...Array.from({ length: 20 }, (_, n) => bind(source, inRoot(`${round}-${n}`), 'ro')),
    {
      type: 'overlay',
      source: 'overlay',
      target: inRoot(`${round}-o`),
      options: [...ids, `lowerdir=${source}`],
    },
  ];
  let cut = 0;
  for (let round = 0; round < 60; round++) {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), round / 6);
    await mountAll(root, all(round), { ...options, signal: abort.signal }).catch(() => cut++);
    clearTimeout(timer);
  }
  assert.ok(cut > 0, 'at least one was cut short');
  const made = readMountinfo().filter(({ mountPoint }) => isWithin(root, mountPoint) && mountPoint !== root);
  for (const { mountPoint, options: flags, type } of made) {
    assert.ok(flags.includes('nosuid'), mountPoint);
    if (type !== 'overlay') assert.ok(flags.includes('ro'), `${mountPoint} was born read-only`);
  }
  await unmountAll(root, options);
  assert.deepEqual(mountsBelow(dir), []);
  assert.equal(readFileSync(join(source, 'f'), 'utf8'), 'kept');
  // Waits for a request that never ends.
  const parent = spawn('sh', ['-c', `sleep 100 | ${options.helper} & echo ready; wait`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(parent.stdout, 'data');
  const children = readFileSync(`/proc/${parent.pid}/task/${parent.pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .map(Number);
  const isHelper = (pid: number) => readName(pid).startsWith('bulkhead-mount');
  const end = performance.now() + 5_000;
  while (!children.some(isHelper) && performance.now() < end)
    await new Promise((done) => setTimeout(done, 5));
  const helper = children.find(isHelper);
  assert.ok(helper !== undefined, 'the helper runs');
  await new Promise((done) => setTimeout(done, 50));
  parent.kill('SIGKILL');
  while (isHelper(helper) && performance.now() < end) await new Promise((done) => setTimeout(done, 5));
  assert.equal(isHelper(helper), false, 'the helper has died with its parent');
  for (const pid of children) if (readName(pid) === 'sleep') process.kill(pid);
});

function readName(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
  } catch {
    return '';
  }
}
