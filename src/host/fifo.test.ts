import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { createPrivatePipes, FifoClosedError, FifoReader, FifoWriter } from './fifo.ts';
import { openFds, textOf, useFifos } from './testing/fifos.ts';

const { makeFifo } = useFifos();
const limit = { timeout: 30_000 };

test('opening neither end waits, and a missing path is an error', limit, () => {
  const file = makeFifo();
  const before = openFds();
  FifoWriter.open(file).close();
  FifoReader.open(file).close();
  assert.throws(() => FifoWriter.open(`${file}-missing`), { code: 'ENOENT' });
  assert.throws(() => FifoReader.open(`${file}-missing`), { code: 'ENOENT' });
  // Linux closes a net.Socket's descriptor with destroy(), in the same turn.
  assert.equal(openFds(), before);
});

test('written data waits in the pipe for a late reader, also after end()', limit, async () => {
  const file = makeFifo();
  const writer = FifoWriter.open(file);
  await writer.write(Buffer.from('early'));
  const ended = writer.end(5_000);
  await sleep(120);
  const cat = spawn('cat', [file], { stdio: ['ignore', 'pipe', 'ignore'] });
  assert.equal(await textOf(cat.stdout), 'early');
  await ended;
});

test('end() without any reader gives up after the linger time', limit, async () => {
  const file = makeFifo();
  const before = openFds();
  const start = performance.now();
  await FifoWriter.open(file).end(200);
  const ms = performance.now() - start;
  assert.ok(ms >= 190 && ms < 3_000, `${ms} ms`);
  assert.equal(openFds(), before);
});

test('end() with a reader closes at once', limit, async () => {
  const file = makeFifo();
  const cat = spawn('cat', [file], { stdio: 'ignore' });
  const writer = FifoWriter.open(file);
  await sleep(200);
  const start = performance.now();
  await writer.end(5_000);
  assert.ok(performance.now() - start < 200);
  await new Promise((resolve) => cat.once('exit', resolve));
});

test('a full pipe waits, close() ends the wait', limit, async () => {
  const writer = FifoWriter.open(makeFifo());
  const pending = writer.write(Buffer.alloc(1024 * 1024));
  await sleep(50);
  assert.ok(writer.written >= 65_536 - 4096 && writer.written <= 65_536, String(writer.written));
  writer.close();
  await assert.rejects(pending, FifoClosedError);
  await assert.rejects(writer.write(Buffer.from('x')), FifoClosedError);
});

test('100 MiB arrive whole through readers that come, go and come again', limit, async () => {
  const file = makeFifo();
  const writer = FifoWriter.open(file);
  // dd takes exactly what it passes on, so a byte that is missing was lost by us.
  const script =
    'for n in 1000 1 5000; do dd if="$1" bs=4096 count=$n iflag=fullblock 2>/dev/null; sleep 0.2; done; cat "$1"';
  const reader = spawn('sh', ['-c', `{ ${script}; } | sha256sum`, 'sh', file], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const printed = textOf(reader.stdout);
  const hash = crypto.createHash('sha256');
  const block = crypto.randomBytes(1024 * 1024);
  for (let i = 0; i < 100; i++) {
    block.writeUInt32LE(i, 0);
    hash.update(block);
    await writer.write(block);
  }
  await writer.end(5_000);
  assert.equal((await printed).split(' ')[0], hash.digest('hex'));
});

test(
  'a reader with a held writer survives writers that leave; releaseWriter() lets EOF come',
  limit,
  async () => {
    const file = makeFifo();
    const reader = FifoReader.open(file);
    const seen: string[] = [];
    const done = (async () => {
      for await (const chunk of reader.chunks()) seen.push(chunk.toString());
    })();
    execFileSync('sh', ['-c', 'printf one >"$1"', 'sh', file]);
    await sleep(100);
    execFileSync('sh', ['-c', 'printf two >"$1"', 'sh', file]);
    await sleep(100);
    assert.equal(seen.join(''), 'onetwo');
    reader.releaseWriter();
    await done;
  },
);

test('close() ends a loop over chunks()', limit, async () => {
  const reader = FifoReader.open(makeFifo());
  const done = (async () => {
    for await (const _ of reader.chunks());
  })();
  await sleep(20);
  reader.close();
  await done;
});

test('100 readers and writers that wait do not hold up file operations', limit, async () => {
  const before = openFds();
  const writers = Array.from({ length: 50 }, () => FifoWriter.open(makeFifo()));
  const readers = Array.from({ length: 50 }, () => FifoReader.open(makeFifo()));
  const writes = writers.map((writer) => writer.write(Buffer.alloc(200_000)).catch(() => {}));
  const reads = readers.map(async (reader) => {
    for await (const _ of reader.chunks());
  });
  await sleep(20);
  const start = performance.now();
  await Promise.all(Array.from({ length: 20 }, () => fs.promises.stat('/')));
  assert.ok(performance.now() - start < 1_000);
  for (const end of [...writers, ...readers]) end.close();
  await Promise.all([...writes, ...reads]);
  await sleep(20);
  assert.equal(openFds(), before);
});

test('private pipes are real pipes, blocking for the child, and leave no file', limit, async () => {
  const before = openFds();
  const filesBefore = fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('bulkhead-pipe-'));
  const [out, back] = await createPrivatePipes(['out', 'in']);
  assert.ok(out !== undefined && back !== undefined);
  assert.deepEqual(
    fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('bulkhead-pipe-')),
    filesBefore,
  );
  const child = spawn('sh', ['-c', 'cat /dev/fd/3 >&4'], {
    stdio: ['ignore', 'ignore', 'inherit', out.child, back.child],
  });
  fs.closeSync(out.child);
  fs.closeSync(back.child);
  const writer = FifoWriter.fromFd(out.ours, 'test');
  const reader = FifoReader.fromFd(back.ours);
  await sleep(50);
  await writer.write(Buffer.from('through'));
  await writer.end(0);
  assert.equal(await textOf(reader.chunks()), 'through');
  await new Promise((resolve) =>
    child.exitCode === null ? child.once('exit', resolve) : resolve(undefined),
  );
  await sleep(20);
  assert.equal(openFds(), before);
});

test('a broken private pipe rejects with EPIPE, on the fast path and while waiting', limit, async () => {
  const [first, second] = await createPrivatePipes(['out', 'out']);
  assert.ok(first !== undefined && second !== undefined);
  fs.closeSync(first.child);
  const broken = FifoWriter.fromFd(first.ours, 'first');
  await assert.rejects(broken.write(Buffer.from('x')), { code: 'EPIPE' });
  broken.close();
  const waiting = FifoWriter.fromFd(second.ours, 'second');
  const pending = waiting.write(Buffer.alloc(1_000_000));
  await sleep(20);
  fs.closeSync(second.child);
  await assert.rejects(pending, { code: 'EPIPE' });
  waiting.close();
});
