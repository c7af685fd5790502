import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readSmallFile } from './small-file.ts';

const dir = mkdtempSync(join(tmpdir(), 'bulkhead-small-file-'));
after(() => rmSync(dir, { recursive: true }));
const path = join(dir, 'file');
const link = join(dir, 'link');
symlinkSync(path, link);
const open = () => readdirSync('/proc/self/fd').length;

test('a small file, also through a link; none', async () => {
  assert.equal(await readSmallFile(path, 100), '');
  writeFileSync(path, 'one\ntwo');
  assert.equal(await readSmallFile(path, 100), 'one\ntwo');
  assert.equal(await readSmallFile(link, 7), 'one\ntwo');
});

test('of a larger one the lines that fit; of a line without end nothing', async () => {
  writeFileSync(path, 'one\ntwo\nthree\n');
  assert.equal(await readSmallFile(path, 13), 'one\ntwo\n');
  writeFileSync(path, 'x'.repeat(100));
  assert.equal(await readSmallFile(path, 10), '');
});

test('400 MB cost no more memory than their beginning', async () => {
  writeFileSync(path, 'nameserver 10.0.0.1\n');
  truncateSync(path, 400 << 20);
  const before = process.memoryUsage.rss();
  for (let n = 0; n < 10; n++) assert.equal(await readSmallFile(path, 65_536), 'nameserver 10.0.0.1\n');
  const grown = process.memoryUsage.rss() - before;
  assert.ok(grown < 20 << 20, `${grown} bytes more`);
});

test('neither a FIFO, a device nor a folder is opened; nothing stays open', async () => {
  const fifo = join(dir, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const before = open();
  for (const other of [fifo, '/dev/zero', dir]) assert.equal(await readSmallFile(other, 100), '');
  assert.equal(open(), before);
});
