// A root on a disk of its own: what is in the image, what is written, what stays, who counts it, what is lost.
import assert from 'node:assert/strict';
import { existsSync, globSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { describe, type RunResult } from '../../scripts/stand/command.ts';
import { Containerd } from '../../scripts/stand/containerd.ts';
import { writeLayeredImage } from '../../scripts/stand/image.ts';
import { scratchDir } from '../../scripts/stand/paths.ts';
import { runtime } from '../../scripts/stand/runtime.ts';
import type { TarEntry } from '../../scripts/stand/tar.ts';
import { waitFor } from '../../scripts/stand/wait.ts';
import { assertNothingNew, type Belongings, belongings } from '../support/leaks.ts';

const skip = !runtime.isVm && 'it is about VMs';
const DISK = 'bulkhead-root-disk.ext4';
const layeredName = 'bulkhead.test/layered:latest';

const file = (path: string, text: string): TarEntry => ({
  ...{ path, type: 'file', mode: 0o644, data: Buffer.from(text) },
});
const dir = (path: string, mode = 0o755): TarEntry => ({ path, type: 'dir', mode });

/** Each layer takes something away from the one below: a file, a folder, and all of a folder but its name. */
const layers: readonly TarEntry[][] = [
  [
    ...[
      dir('data', 0o751),
      file('data/kept', 'kept\n'),
      file('data/removed', 'x'),
      file('data/changed', 'old\n'),
    ],
    ...[dir('data/gone'), file('data/gone/x', 'x'), dir('data/opaque'), file('data/opaque/hidden', 'x')],
  ],
  [
    ...[file('data/.wh.removed', ''), file('data/.wh.gone', ''), file('data/changed', 'new\n')],
    ...[dir('data/opaque'), file('data/opaque/.wh..wh..opq', ''), file('data/opaque/own', 'own\n')],
  ],
];

let daemon: Containerd;
let clean: Belongings;
let scratch: string;
before(async () => {
  scratch = await scratchDir('rootfs');
  configure('disk');
  daemon = await Containerd.start({ env: { BULKHEAD_CONFIG: join(scratch, 'config.toml') } });
  await daemon.importArchive('layered.tar', (to) => writeLayeredImage(to, layeredName, layers));
  clean = belongings(daemon);
});
after(async () => {
  await daemon.stop();
  rmSync(scratch, { recursive: true });
});

/** For the containers that come. */
function configure(mode: 'shared' | 'disk'): void {
  const allow = 'allow = ["rootfs.mode", "rootfs.disk_size_mib"]';
  writeFileSync(join(scratch, 'config.toml'), `[rootfs]\nmode = "${mode}"\n[annotations]\n${allow}\n`);
}

/** Runs a script in a new container of the layered image; it stays unless `--rm` is among the options. */
async function runScript(id: string, script: string, ...options: string[]): Promise<RunResult> {
  const args = ['run', '--runtime', runtime.name, ...options, layeredName, id, 'sh', '-c', script];
  return await daemon.ctr(args, { timeoutMs: 120_000 });
}

async function output(id: string, script: string, ...options: string[]): Promise<string> {
  const result = await runScript(id, script, ...options);
  assert.equal(result.code, 0, describe(result));
  return result.stdout;
}

/** Starts the container of `runScript` once more. */
async function again(id: string): Promise<RunResult> {
  await daemon.ctr(['task', 'delete', id]);
  return await daemon.ctr(['task', 'start', id], { timeoutMs: 120_000 });
}

async function remove(id: string): Promise<void> {
  await daemon.ctr(['task', 'delete', id]);
  await daemon.mustCtr(['container', 'delete', id]);
}

/** The upper folders of containers' snapshots, the newest last. */
function uppers(): string[] {
  const number = (path: string) => Number(path.split('/').at(-2));
  const found = globSync(join(daemon.dir, 'r/io.containerd.snapshotter.v1.overlayfs/snapshots/*/fs'));
  return found.sort((a, b) => number(a) - number(b));
}

/** KiB that the snapshotter counts for a container. */
async function usage(id: string): Promise<number> {
  const { stdout } = await daemon.mustCtr(['snapshot', 'usage', '-b', id]);
  return Number(new RegExp(`^${id}\\s+(\\d+)`, 'm').exec(stdout)?.[1]) / 1024;
}

test('the image is as its layers say: removed, replaced, opaque', { skip }, async () => {
  const script =
    'ls -a /data /data/opaque; cat /data/kept /data/changed /data/opaque/own; stat -c "%a %u" /data /';
  const seen = await output('image', script, '--rm');
  const [list = '', contents] = [seen, seen.slice(seen.indexOf('kept\nnew'))];
  assert.doesNotMatch(list, /removed|gone|hidden|\.wh|bulkhead/);
  assert.equal(contents, 'kept\nnew\nown\n751 0\n755 0\n');
  assert.equal(await output('type', 'grep " / " /proc/mounts | cut -d" " -f3', '--rm'), 'overlay\n');
  await assertNothingNew(daemon, clean, ['image', 'type']);
});

test('what is written, changed, renamed and removed', { skip }, async () => {
  const script = `set -e
    before=$(stat -c "%i %d" /data/kept); chmod 600 /data/kept; echo more >> /data/kept
    [ "$before" = "$(stat -c "%i %d" /data/kept)" ]
    [ "$(stat -c %d /data/kept)" = "$(stat -c %d /)" ]
    mv /data/opaque /moved; cat /moved/own; [ ! -e /data/opaque ]
    rm /data/changed; rm -r /moved; mkdir /data/opaque; ls -A /data/opaque
    ln /data/kept /data/link; stat -c %h /data/link
    mknod /pipe p; touch /$(head -c 255 /dev/zero | tr "\\0" n)
    cat /data/link; ls /data`;
  assert.equal(await output('change', script, '--rm'), 'own\n2\nkept\nmore\nkept\nlink\nopaque\n');
});

test('it stays with the snapshot, is counted with it and goes with it', { skip }, async () => {
  const script =
    'cat /file 2>/dev/null && exit 3; dd if=/dev/urandom of=/big bs=1M count=20 2>/dev/null; sha256sum /big > /file';
  assert.equal((await runScript('stays', script)).code, 0);
  const upper = uppers().at(-1)!;
  assert.deepEqual(readdirSync(upper), [DISK], 'the host has the disk and nothing else of the container');
  assert.ok(statSync(join(upper, DISK)).size === 65_536 * 2 ** 20, 'sparse');
  const first = await usage('stays');
  assert.ok(first > 20 * 1024 && first < 40 * 1024, `${first} KiB`);
  // Nothing had synced: the guest has written it out when its container ended.
  configure('shared');
  const second = await again('stays');
  configure('disk');
  assert.equal(second.code, 3, 'its files are there, whatever the mode says by now');
  assert.match(second.stdout, /^[0-9a-f]{64} {2}\/big$/m);
  await remove('stays');
  await waitFor('removal of the snapshot', () => !existsSync(upper), 10_000);
  await assertNothingNew(daemon, clean, ['stays']);
});

test('deleted files are given back to the host', { skip }, async () => {
  const script =
    'dd if=/dev/urandom of=/big bs=1M count=60 2>/dev/null; sync; rm /big; sync; fstrim / 2>/dev/null; sync; sleep 1';
  assert.equal((await runScript('given-back', script)).code, 0);
  const kib = await usage('given-back');
  assert.ok(kib < 30 * 1024, `${kib} KiB`);
  await remove('given-back');
});

test('a full disk is an error of the container that fills it, and no more', { skip }, async () => {
  const script =
    'dd if=/dev/zero of=/big bs=1M count=400; echo code-$?; rm /big; echo alive > /file; cat /file';
  const result = await runScript(
    'full',
    script,
    '--rm',
    '--annotation',
    'io.bulkhead.rootfs.disk_size_mib=256',
  );
  assert.equal(result.code, 0, describe(result));
  assert.match(result.stderr, /No space left on device/);
  assert.match(result.stdout, /code-1\nalive/);
});

test('a snapshot that was written to as a folder stays one', { skip }, async () => {
  configure('shared');
  assert.equal(await output('folder', 'cat /file 2>/dev/null || echo first > /file'), '');
  configure('disk');
  const result = await again('folder');
  assert.equal(result.stdout, 'first\n', describe(result));
  assert.deepEqual(readdirSync(uppers().at(-1)!), ['file']);
  await remove('folder');
});

test('a read-only root is shared', { skip }, async () => {
  const result = await runScript(
    'read-only',
    'touch /x; grep " / " /proc/mounts | cut -d" " -f3',
    '--rm',
    '--read-only',
  );
  assert.match(result.stderr, /Read-only file system/);
  assert.equal(result.stdout, 'virtiofs\n');
});
