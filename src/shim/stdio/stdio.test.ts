import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openFds, textOf, useFifos } from '../../host/testing/fifos.ts';
import type { GuestStreams, StdioPaths } from '../../sandbox/process.ts';
import { loggerArguments } from './binary-logger.ts';
import { openStdio as openFor, type StdioOptions } from './stdio.ts';
import { StdioError } from './stdio-error.ts';

const { dir, newPath, makeFifo } = useFifos();
function makeScript(body: string): string {
  const file = newPath('script');
  fs.writeFileSync(file, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return file;
}
const limit = { timeout: 30_000 };
const owner = { id: 'c1', namespace: 'ns1' };
const base: StdioPaths = { stdin: '', stdout: '', stderr: '', terminal: false };
const openStdio = (paths: StdioPaths, options?: StdioOptions) => openFor(paths, owner, options);

/** A process whose output is given beforehand and whose input is recorded. */
function guest(out: Iterable<Uint8Array> = [], err: Iterable<Uint8Array> = []) {
  const stdout = out[Symbol.iterator]();
  const stderr = err[Symbol.iterator]();
  const empty = new Uint8Array();
  const state = { received: [] as Buffer[], closed: false, released: false, reads: 0, stderrReads: 0 };
  const streams: GuestStreams = {
    async readStdout() {
      state.reads++;
      return stdout.next().value ?? empty;
    },
    async readStderr() {
      state.stderrReads++;
      return stderr.next().value ?? empty;
    },
    async writeStdin(data) {
      state.received.push(Buffer.from(data));
      return data.length;
    },
    async closeStdin() {
      state.closed = true;
    },
    async release() {
      state.released = true;
    },
  };
  return { streams, state };
}

function* repeat(chunk: Uint8Array, times: number): Generator<Uint8Array> {
  for (let i = 0; i < times; i++) yield chunk;
}

async function until(condition: () => boolean, ms = 5_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    assert.ok(performance.now() < end, 'condition not met in time');
    await sleep(5);
  }
}

test('output reaches both FIFOs, which end at EOF', limit, async () => {
  const before = openFds();
  const spec = { ...base, stdout: makeFifo(), stderr: makeFifo() };
  const out = spawn('cat', [spec.stdout], { stdio: ['ignore', 'pipe', 'ignore'] });
  const err = spawn('cat', [spec.stderr], { stdio: ['ignore', 'pipe', 'ignore'] });
  const stdio = await openStdio(spec);
  stdio.start(guest([Buffer.from('to out')], [Buffer.from('to err')]).streams);
  assert.deepEqual(await Promise.all([textOf(out.stdout), textOf(err.stdout)]), ['to out', 'to err']);
  assert.equal(await stdio.drain({ stalledMs: 1_000, limitMs: 1_000 }), 'drained');
  await stdio.close();
  await stdio.close();
  await sleep(20);
  assert.equal(openFds(), before);
});

test('100 MiB of two streams at once, intact', limit, async () => {
  const spec = { ...base, stdout: makeFifo(), stderr: makeFifo() };
  const sums = [spec.stdout, spec.stderr].map((file) => {
    const child = spawn('sha256sum', [file], { stdio: ['ignore', 'pipe', 'ignore'] });
    return textOf(child.stdout).then((line) => line.split(' ')[0]);
  });
  const hashes = [crypto.createHash('sha256'), crypto.createHash('sha256')] as const;
  const chunks = (index: 0 | 1): Iterable<Uint8Array> =>
    (function* () {
      for (let left = 50 * 1024 * 1024; left > 0; ) {
        const chunk = crypto.randomBytes(Math.min(left, 1 + crypto.randomInt(400_000)));
        hashes[index].update(chunk);
        left -= chunk.length;
        yield chunk;
      }
    })();
  const stdio = await openStdio(spec);
  stdio.start(guest(chunks(0), chunks(1)).streams);
  const actual = await Promise.all(sums);
  assert.deepEqual(actual, [hashes[0].digest('hex'), hashes[1].digest('hex')]);
  await stdio.close();
});

test('a vanished reader stalls the drain, loses nothing, and holds up nobody else', limit, async () => {
  const file = makeFifo();
  const slow = await openStdio({ ...base, stdout: file });
  const total = 3_000_000;
  slow.start(guest(repeat(Buffer.alloc(300_000, 'x'), total / 300_000)).streams);
  const fast = await openStdio({ ...base, stdout: makeFifo() }, { lingerMs: 0 });
  fast.start(guest([Buffer.from('quick')]).streams);
  assert.equal(await fast.drain({ stalledMs: 1_000, limitMs: 1_000 }), 'drained');
  const start = performance.now();
  assert.equal(await slow.drain({ stalledMs: 200, limitMs: 5_000 }), 'stalled');
  assert.ok(performance.now() - start < 2_000);
  await fast.close();
  // The reader comes back: everything is still there.
  const wc = spawn('sh', ['-c', 'wc -c <"$1"', 'sh', file], { stdio: ['ignore', 'pipe', 'ignore'] });
  assert.equal(Number(await textOf(wc.stdout)), total);
  assert.equal(await slow.drain({ stalledMs: 1_000, limitMs: 1_000 }), 'drained');
  await slow.close();
});

test('a slow reader is progress, not a stall; the total limit still holds', limit, async () => {
  const spec = { ...base, stdout: makeFifo() };
  const reader = spawn(
    'sh',
    [
      '-c',
      'exec <"$1"; while dd bs=8192 count=1 2>/dev/null | grep -q .; do sleep 0.1; done',
      'sh',
      spec.stdout,
    ],
    {
      stdio: 'ignore',
    },
  );
  const stdio = await openStdio(spec);
  stdio.start(guest(repeat(Buffer.alloc(256 * 1024, 'y\n'), 1)).streams);
  assert.equal(await stdio.drain({ stalledMs: 1_000, limitMs: 1_500 }), 'stalled');
  assert.equal(await stdio.drain({ stalledMs: 1_000, limitMs: 20_000 }), 'drained');
  await new Promise((resolve) =>
    reader.exitCode === null ? reader.once('exit', resolve) : resolve(undefined),
  );
  await stdio.close();
});

test('a guest that keeps its output open stalls the drain', limit, async () => {
  const { streams } = guest();
  const stdio = await openStdio(base);
  stdio.start({ ...streams, readStdout: () => new Promise(() => {}) });
  assert.equal(await stdio.drain({ stalledMs: 100, limitMs: 1_000 }), 'stalled');
  await stdio.close();
});

test(
  'a guest that is only quiet is not waited for as long as a slow reader, and its late output arrives',
  limit,
  async () => {
    const { streams, state } = guest();
    const spec = { ...base, stdout: makeFifo() };
    const reader = spawn('cat', [spec.stdout], { stdio: ['ignore', 'pipe', 'ignore'] });
    const text = textOf(reader.stdout);
    const stdio = await openStdio(spec);
    const late = Promise.withResolvers<Uint8Array>();
    const answers = [Promise.resolve(Buffer.from('early ')), late.promise];
    stdio.start({ ...streams, readStdout: () => answers.shift() ?? new Promise(() => {}) });
    assert.equal(await stdio.drain({ quietMs: 100, stalledMs: 20_000, limitMs: 25_000 }), 'stalled');
    late.resolve(Buffer.from('late'));
    await until(() => answers.length === 0);
    await sleep(50);
    assert.equal(state.released, false);
    await stdio.close();
    assert.equal(await text, 'early late');
    assert.equal(state.released, true, 'the guest hears that nobody reads any more');
  },
);

test('streams that are at their end are not released', limit, async () => {
  const { streams, state } = guest();
  const stdio = await openStdio(base);
  stdio.start(streams);
  assert.equal(await stdio.drain({ stalledMs: 500, limitMs: 5_000 }), 'drained');
  await stdio.close();
  assert.equal(state.released, false);
});

test('absent streams are read and dropped; a terminal has no stderr', limit, async () => {
  const plain = guest(repeat(Buffer.alloc(1_000_000), 20), repeat(Buffer.alloc(10), 3));
  const stdio = await openStdio(base);
  stdio.start(plain.streams);
  assert.equal(await stdio.drain({ stalledMs: 500, limitMs: 5_000 }), 'drained');
  assert.ok(plain.state.reads > 20 && plain.state.stderrReads > 3);
  await stdio.close();
  const tty = guest();
  const terminal = await openStdio({ ...base, terminal: true, stderr: path.join(dir, 'missing') });
  terminal.start(tty.streams);
  assert.equal(await terminal.drain({ stalledMs: 500, limitMs: 5_000 }), 'drained');
  assert.equal(tty.state.stderrReads, 0);
  await terminal.close();
});

test(
  'memory is bounded: no more than one chunk is read ahead of a reader that does not read',
  limit,
  async () => {
    const { streams, state } = guest(repeat(Buffer.alloc(256 * 1024), 1_000));
    const stdio = await openStdio({ ...base, stdout: makeFifo() });
    stdio.start(streams);
    await sleep(100);
    assert.equal(state.reads, 2);
    await stdio.close();
  },
);

test('file:// makes folders, appends, serves both streams', limit, async () => {
  const file = path.join(dir, 'a', 'b', 'log file');
  const uri = `file://${file.replaceAll(' ', '%20')}`;
  for (const round of ['1', '2']) {
    const stdio = await openStdio({ ...base, stdout: uri, stderr: uri });
    stdio.start(guest([Buffer.from(`out${round} `)], [Buffer.from(`err${round} `)]).streams);
    assert.equal(await stdio.drain({ stalledMs: 500, limitMs: 5_000 }), 'drained');
    await stdio.close();
  }
  const text = fs.readFileSync(file, 'utf8');
  assert.deepEqual(text.trim().split(' ').sort(), ['err1', 'err2', 'out1', 'out2']);
  assert.equal(fs.statSync(file).mode & 0o777, 0o644);
});

test('a disk that is full breaks the stream but still drains the guest', limit, async () => {
  const broken: string[] = [];
  const { streams, state } = guest(repeat(Buffer.alloc(1000), 10));
  const stdio = await openStdio(
    { ...base, stdout: '/dev/full' },
    { onBroken: (stream) => broken.push(stream) },
  );
  stdio.start(streams);
  assert.equal(await stdio.drain({ stalledMs: 500, limitMs: 5_000 }), 'drained');
  assert.deepEqual(broken, ['stdout']);
  assert.equal(state.reads, 11);
  await stdio.close();
});

test('binary:// gets arguments, environment and both pipes, and ends by itself', limit, async () => {
  const before = openFds();
  const result = path.join(dir, 'binary-result');
  const script = makeScript(
    `exec >${result}; echo "$@"; /usr/bin/env | /bin/grep CONTAINER | /usr/bin/sort; echo r >&5; exec 5>&-; /bin/cat <&3; /bin/cat <&4; echo end`,
  );
  const uri = `binary://${script}?key=value&flag=&key=second`;
  const stdio = await openStdio({ ...base, stdout: uri, stderr: uri });
  stdio.start(guest([Buffer.from('OUT\n')], [Buffer.from('ERR\n')]).streams);
  assert.equal(await stdio.drain({ stalledMs: 500, limitMs: 5_000 }), 'drained');
  await stdio.close();
  await until(() => fs.readFileSync(result, 'utf8').endsWith('end\n'));
  assert.equal(
    fs.readFileSync(result, 'utf8'),
    'key value flag \nCONTAINER_ID=c1\nCONTAINER_NAMESPACE=ns1\nOUT\nERR\nend\n',
  );
  await sleep(20);
  assert.equal(openFds(), before);
});

test(
  'binary://: a logger that ignores EOF gets SIGTERM, then SIGKILL, and nobody waits for it',
  limit,
  async () => {
    const pidFile = path.join(dir, 'logger-pid');
    const script = `trap "" TERM; echo $$ >${pidFile}; exec 5>&-; while :; do /bin/sleep 0.05; done`;
    const uri = `binary://${makeScript(script)}`;
    const limits = { readyMs: 5_000, finishMs: 100, termMs: 300 };
    const stdio = await openStdio({ ...base, stdout: uri }, { loggerLimits: limits });
    const pid = Number(fs.readFileSync(pidFile, 'utf8'));
    stdio.start(guest().streams);
    const start = performance.now();
    await stdio.close();
    assert.ok(performance.now() - start < 90);
    await until(() => !fs.existsSync(`/proc/${pid}`));
    assert.ok(performance.now() - start >= 390);
  },
);

test(
  'a client that comes after the end of the process still gets its output, also after close()',
  limit,
  async () => {
    const spec = { ...base, stdout: makeFifo() };
    const stdio = await openStdio(spec);
    stdio.start(guest([Buffer.from('late')]).streams);
    assert.equal(await stdio.drain({ stalledMs: 500, limitMs: 1_000 }), 'drained');
    await stdio.close();
    await sleep(100);
    const cat = spawn('cat', [spec.stdout], { stdio: ['ignore', 'pipe', 'ignore'] });
    assert.equal(await textOf(cat.stdout), 'late');
  },
);

test('a process that closed its outputs still gets its input', limit, async () => {
  const spec = { ...base, stdin: makeFifo() };
  const stdio = await openStdio(spec);
  const { streams, state } = guest();
  stdio.start(streams);
  assert.equal(await stdio.drain({ stalledMs: 500, limitMs: 1_000 }), 'drained');
  execFileSync('sh', ['-c', 'printf input >"$1"', 'sh', spec.stdin]);
  stdio.closeStdin();
  await until(() => state.closed);
  assert.equal(Buffer.concat(state.received).toString(), 'input');
  await stdio.close();
});

test(
  'binary://: a logger that is missing, fails or never gets ready is a clear error with nothing left',
  limit,
  async () => {
    const before = openFds();
    const limits = { readyMs: 200, finishMs: 100, termMs: 100 };
    const cases: [string, RegExp][] = [
      [path.join(dir, 'no-such-logger'), /cannot be started: .*ENOENT/],
      [makeScript('exit 3'), /ended before it was ready/],
      [makeScript('exec /bin/sleep 20'), /not ready within 200 ms/],
    ];
    for (const [program, message] of cases) {
      await assert.rejects(
        openStdio({ ...base, stdout: `binary://${program}` }, { loggerLimits: limits }),
        message,
      );
    }
    await sleep(20);
    assert.equal(openFds(), before);
  },
);

test('logger arguments: key, first value, in order', () => {
  assert.deepEqual(loggerArguments(new URL('binary:///x?b=1&a=2%203&b=9&c')), [
    'b',
    '1',
    'a',
    '2 3',
    'c',
    '',
  ]);
});

test('bad paths and schemes are errors that name the stream, and close what was opened', limit, async () => {
  const before = openFds();
  const good = makeFifo();
  const cases: [Partial<StdioPaths>, RegExp][] = [
    [{ stdin: good, stdout: good, stderr: path.join(dir, 'none') }, /stderr .*none.*ENOENT/],
    [{ stdin: good, stdout: 'http://x/y' }, /stdout .*http:\/\/ is not supported/],
    [{ stdin: `file://${good}` }, /stdin .*file:\/\/ is not supported/],
    [{ stdin: path.join(dir, 'none') }, /stdin .*ENOENT/],
    [{ stdout: 'file:///dev/null/x' }, /stdout .*cannot be opened: ENOTDIR/],
    [{ stdout: 'file:///proc/none/none/x' }, /stdout .*cannot be opened: ENOENT/],
    [{ stdout: dir }, /stdout .*EISDIR/],
  ];
  for (const [change, message] of cases) {
    await assert.rejects(openStdio({ ...base, ...change }), (error: Error) => {
      assert.ok(error instanceof StdioError);
      assert.match(error.message, message);
      return true;
    });
  }
  await sleep(20);
  assert.equal(openFds(), before);
});

test('stdin: binary safe, survives clients that leave, ends after CloseIO', limit, async () => {
  const spec = { ...base, stdin: makeFifo(), stdout: makeFifo() };
  const stdio = await openStdio(spec, { lingerMs: 0 });
  const { streams, state } = guest();
  stdio.start({ ...streams, readStdout: () => new Promise(() => {}) });
  const data = crypto.randomBytes(1_000_000);
  const file = path.join(dir, 'stdin-data');
  fs.writeFileSync(file, data);
  for (let i = 0; i < 2; i++) {
    const client = spawn('sh', ['-c', 'cat "$1" >"$2"', 'sh', file, spec.stdin], { stdio: 'ignore' });
    await new Promise((resolve) => client.once('exit', resolve));
  }
  await until(() => state.received.reduce((sum, chunk) => sum + chunk.length, 0) === 2_000_000);
  assert.equal(state.closed, false);
  assert.ok(Buffer.concat(state.received).equals(Buffer.concat([data, data])));
  stdio.closeStdin();
  await until(() => state.closed);
  await stdio.close();
});

test('stdin: the client cannot write before the start; an early CloseIO is remembered', limit, async () => {
  const spec = { ...base, stdin: makeFifo() };
  const stdio = await openStdio(spec);
  const client = spawn('sh', ['-c', 'printf early >"$1"', 'sh', spec.stdin], { stdio: 'ignore' });
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(client.exitCode, null, 'waits for the FIFO to be opened');
  stdio.closeStdin();
  const { streams, state } = guest();
  stdio.start({ ...streams, readStdout: () => new Promise(() => {}) });
  await until(() => state.closed);
  assert.equal(Buffer.concat(state.received).toString(), 'early');
  await stdio.close();
});

test('stdin: a client that keeps the FIFO open after CloseIO does not keep stdin open', limit, async () => {
  const spec = { ...base, stdin: makeFifo() };
  const stdio = await openStdio(spec);
  const { streams, state } = guest();
  stdio.start({ ...streams, readStdout: () => new Promise(() => {}) });
  const client = fs.openSync(spec.stdin, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  fs.writeSync(client, 'kept');
  stdio.closeStdin();
  await until(() => state.closed);
  assert.equal(Buffer.concat(state.received).toString(), 'kept');
  fs.closeSync(client);
  await stdio.close();
});

test(
  'stdin: partial and zero writes of the guest lose nothing; a slow guest slows the client',
  limit,
  async () => {
    const spec = { ...base, stdin: makeFifo() };
    const stdio = await openStdio(spec);
    const { streams, state } = guest();
    let calls = 0;
    stdio.start({
      ...streams,
      readStdout: () => new Promise(() => {}),
      async writeStdin(data) {
        const accepted = [0, 1, 7000, -3, Number.NaN][calls++ % 5] ?? 0;
        const taken = Math.min(Math.max(0, accepted || 0), data.length);
        state.received.push(Buffer.from(data.subarray(0, taken)));
        return accepted;
      },
    });
    const data = crypto.randomBytes(60_000);
    const client = fs.openSync(spec.stdin, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
    fs.writeSync(client, data);
    fs.closeSync(client);
    stdio.closeStdin();
    await until(() => state.closed, 10_000);
    assert.ok(Buffer.concat(state.received).equals(data));
    await stdio.close();
  },
);

test('stdin: a process that closed its input gives the client EPIPE', limit, async () => {
  const spec = { ...base, stdin: makeFifo() };
  const stdio = await openStdio(spec);
  const { streams } = guest();
  stdio.start({
    ...streams,
    readStdout: () => new Promise(() => {}),
    writeStdin: () => Promise.reject(new Error('gone')),
  });
  const client = fs.openSync(spec.stdin, fs.constants.O_WRONLY | fs.constants.O_NONBLOCK);
  fs.writeSync(client, 'x');
  await sleep(50);
  assert.throws(() => fs.writeSync(client, 'y'), { code: 'EPIPE' });
  fs.closeSync(client);
  await stdio.close();
});

test('1,000 opens and ends leave no descriptor', limit, async () => {
  const before = openFds();
  const spec = { ...base, stdin: makeFifo(), stdout: makeFifo(), stderr: makeFifo() };
  for (let i = 0; i < 1_000; i++) {
    const stdio = await openStdio(spec, { lingerMs: 0 });
    if (i % 2 === 0) stdio.start(guest([Buffer.from('x')]).streams);
    if (i % 4 === 0) await stdio.drain({ stalledMs: 100, limitMs: 100 });
    await stdio.close();
  }
  await sleep(50);
  assert.equal(openFds(), before);
});
